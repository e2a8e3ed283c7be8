"""lamina tree: the folders of an image as a tree, with sizes and the layers that wrote them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli import image_paths, units
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.insight.files.listing import TreeLine

_SIZE = 6  # characters of the widest size: 1.23MB


def configure(command: Command) -> None:
    """Flags of `lamina tree`."""
    command.takes("IMAGE[:PATH]|IMAGE PATH", 1, 2)
    image_paths.add(command)
    command.switch("directories", "Only show folders", "d")
    command.switch("json", "Print the lines as JSON, with what is known of each file")
    command.option("level", "int", "Only go so many folders deep", "L")
    command.details = (
        "Each line has the bytes in the file, or in all files below the folder, and the number of the layer "
        "that wrote it last (a folder: the last one that wrote something in it)."
    )


def run(session: Session, args: Args) -> int:
    """Draws the tree."""
    level = args.text("level", "0")
    if not level.isdecimal() or (args.given("level") and level == "0"):
        raise InvalidInput(f"invalid level: {level!r}", hint="a number from 1: -L 2")
    place, *others = image_paths.places(args, args.operands)
    if others:
        raise InvalidInput("tree draws one folder", hint="lamina tree IMAGE:/PATH")
    lines = session.engine.files.tree(place, levels=int(level), folders_only=args.on("directories"))
    if args.on("json"):
        from lamina.cli.as_json import print_array

        print_array(lines)
    else:
        _draw(lines, folders_only=args.on("directories"))
    return 0


def _draw(lines: Iterable[TreeLine], *, folders_only: bool) -> None:
    rails: list[str] = []  # what stands to the left, for each folder above
    folders = files = 0
    for line in lines:
        del rails[max(line.depth - 1, 0) :]
        branch = "" if not line.depth else "└── " if line.is_last else "├── "
        name = None if not line.depth else line.file.path.rpartition("/")[2]
        text = image_paths.label(line.file, name)
        size = units.human_size(line.size).rjust(_SIZE)
        print(f"{''.join(rails)}{branch}[{size} #{line.file.layer}]  {text}")
        if line.depth:
            rails.append("    " if line.is_last else "│   ")
            folders += line.file.type == "d"
            files += line.file.type != "d"
    counted = "" if folders_only else f", {files} file{'s' * (files != 1)}"
    print(f"\n{folders} director{'ies' if folders != 1 else 'y'}{counted}")
