"""lamina history: the instructions that made an image, the newest first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lamina.cli import units
from lamina.cli.listing import listing

if TYPE_CHECKING:
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
}
_CREATED_BY = 45  # characters shown


def configure(command: Command) -> None:
    """Flags of `lamina history`."""
    command.takes("IMAGE", 1, 1)
    command.option("format", "string", "Format output: table, 'table TEMPLATE', json, or a template")
    command.switch("human", "Print sizes and dates in human readable format (default true)", "H")
    command.switch("no-trunc", "Don't truncate output")
    command.switch("quiet", "Only show image IDs", "q")
    command.option("platform", "string", "Show the image for this platform (os/architecture[/variant])")


def run(session: Session, args: Args) -> int:
    """Prints the table."""
    human = args.on("human") or not args.given("human")
    now = time.time()
    rows = [
        _row(item, now, human=human, whole=args.on("no-trunc"))
        for item in session.engine.history(args.operands[0], platform=args.text("platform"))
    ]
    when = "{{.CreatedSince}}" if human else "{{.CreatedAt}}"
    form = "{{.ID}}\t" + when + "\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
    quiet = "{{.ID}}" if args.on("quiet") else ""
    print(listing(rows, HEADINGS, form, args.text("format"), quiet=quiet), end="")
    return 0


def _row(item: HistoryItem, now: float, *, human: bool, whole: bool) -> dict[str, str]:
    created_by = item.created_by.replace("\t", " ")
    return {
        "ID": item.image_id if whole else units.short_id(item.image_id),
        "CreatedSince": units.ago(item.created, now),
        "CreatedAt": units.stamp(item.created),
        "CreatedBy": created_by if whole else units.ellipsis(created_by, _CREATED_BY),
        "Size": units.human_size(item.size) if human else str(item.size),
        "Comment": item.comment,
    }
