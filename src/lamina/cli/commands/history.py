"""lamina history: the instructions that made an image, the newest first."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from lamina.cli import units
from lamina.cli.escaping import escaped
from lamina.cli.listing import listing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.insight.history import HistoryItem

HEADINGS = {
    "ID": "IMAGE",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
    "Layer": "LAYER",
    "DiffID": "DIFF ID",
    "Instruction": "INSTRUCTION",
    "Where": "WHERE",
    "Line": "LINE",
    "Base": "BASE",
    "Files": "FILES",
    "Added": "ADDED",
    "Changed": "CHANGED",
    "Deleted": "DELETED",
}
_CREATED_BY, _INSTRUCTION = 45, 60  # characters shown
_LONG = "{{.Layer}}\t{{.Size}}\t{{.Files}}\t{{.Where}}\t{{.Base}}\t{{.Instruction}}"
_COUNTED = re.compile(r"\.(Files|Added|Changed|Deleted)\b|\{\{\s*json|\Ajson\Z")


def configure(command: Command) -> None:
    """Flags of `lamina history`."""
    command.takes("IMAGE", 1, 1)
    command.option("format", "string", "Format output: table, 'table TEMPLATE', json, or a template")
    command.switch("human", "Print sizes and dates in human readable format (default true)", "H")
    command.switch("json", "Print all that is known as JSON")
    command.switch("long", "Show layers, lines of the Dockerfile, counts of files and base images", "l")
    command.switch("no-trunc", "Don't truncate output")
    command.switch("quiet", "Only show image IDs", "q")
    command.option("platform", "string", "Ask about the image for this platform (os/architecture[/variant])")
    command.details = (
        "Without -l the table is Docker's. FILES are paths: +added ~changed -deleted. WHERE is known where a "
        "build of the image, or of its base, is recorded (`lamina build ls`)."
    )


def run(session: Session, args: Args) -> int:
    """Prints the table."""
    form, as_long = args.text("format"), args.on("long")
    name, platform = args.operands[0], args.text("platform")
    if args.on("json"):
        from lamina.cli.as_json import dumps

        print(dumps(session.engine.history(name, platform=platform)))
        return 0
    human = args.on("human") or not args.given("human")
    now = time.time()
    if (as_long and not form) or _COUNTED.search(form):
        items = session.engine.history(name, platform=platform)
    else:
        items = session.engine.history(name, platform=platform, counted=False)
    rows = [_row(item, now, human=human, whole=args.on("no-trunc")) for item in items]
    quiet = "{{.ID}}" if args.on("quiet") else ""
    print(listing(rows, HEADINGS, _form(human, as_long, items), form, quiet=quiet), end="")
    return 0


def _form(human: bool, as_long: bool, items: Sequence[HistoryItem]) -> str:
    if as_long:
        return _LONG if any(item.base for item in items) else _LONG.replace("{{.Base}}\t", "")
    when = "{{.CreatedSince}}" if human else "{{.CreatedAt}}"
    return "{{.ID}}\t" + when + "\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"


def _row(item: HistoryItem, now: float, *, human: bool, whole: bool) -> dict[str, str]:
    created_by = item.created_by.replace("\t", " ")
    instruction = escaped(item.instruction)
    return {
        "ID": item.image_id if whole else units.short_id(item.image_id),
        "CreatedSince": units.ago(item.created, now),
        "CreatedAt": units.stamp(item.created),
        "CreatedBy": created_by if whole else units.ellipsis(created_by, _CREATED_BY),
        "Size": units.human_size(item.size) if human else str(item.size),
        "Comment": item.comment,
        "Layer": f"#{item.layer}" if item.layer else "",
        "DiffID": item.diff_id,
        "Instruction": instruction if whole else units.ellipsis(instruction, _INSTRUCTION),
        "Where": escaped(f"{item.dockerfile}:{item.line}") if item.line else "",
        "Line": str(item.line or ""),
        "Base": item.base,
        "Files": _files(item),
        "Added": str(item.added),
        "Changed": str(item.changed),
        "Deleted": str(item.deleted),
    }


def _files(item: HistoryItem) -> str:
    from lamina.insight.counts import Counts  # only for tables that have it

    return Counts(item.added, item.changed, item.deleted).text
