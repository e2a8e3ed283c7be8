"""lamina context ls: what is in a build context."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lamina.cli import units
from lamina.cli.listing import table

if TYPE_CHECKING:
    from lamina.build.contextview import ContextEntry, ContextList
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina context ls`."""
    command.takes("[PATH]", 0, 1)
    command.option(
        "file", "string", "Name of the Dockerfile, which may have FILE.dockerignore beside it", "f"
    )
    command.switch("json", "Print one JSON object")
    command.switch("size", "Sort by size, the largest first")
    command.details = (
        "PATH is a folder, the current one if not given. What .dockerignore leaves out is not listed: "
        "`lamina context why` tells why."
    )


def run(session: Session, args: Args) -> int:
    """Prints the table, and what it comes to."""
    folder = args.operands[0] if args.operands else "."
    found = session.engine.context.ls(folder, file=args.text("file") or None)
    entries = found.entries
    if args.on("size"):
        entries = tuple(sorted(entries, key=lambda entry: (-entry.size, entry.path)))
    if args.on("json"):
        print(json.dumps(as_json(found, entries), indent=2))
        return 0
    lines = [("KIND", "SIZE", "PATH"), *(_row(entry) for entry in entries)]
    print(table(lines) + "\n" + total(found))
    return 0


def _row(entry: ContextEntry) -> tuple[str, ...]:
    target = f" -> {entry.target}" if entry.kind == "link" else ""
    size = units.human_size(entry.size) if entry.kind == "file" else ""
    return entry.kind, size, entry.path + target


def total(found: ContextList) -> str:
    """`12 files, 3 folders, 1.2MB`."""
    files, folders = found.count(folders=False), found.count(folders=True)
    return f"{counted(files, 'file')}, {counted(folders, 'folder')}, {units.human_size(found.size)}"


def counted(number: int, what: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def as_json(found: ContextList, entries: tuple[ContextEntry, ...]) -> dict[str, object]:
    """The list as one object, as the other commands name such fields."""
    return {
        "Context": found.root,
        "Ignore": found.ignore,
        "Files": found.count(folders=False),
        "Folders": found.count(folders=True),
        "Size": found.size,
        "Entries": [
            {"Path": entry.path, "Kind": entry.kind, "Size": entry.size}
            | ({"Target": entry.target} if entry.kind == "link" else {})
            for entry in entries
        ],
    }
