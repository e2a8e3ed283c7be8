"""lamina layers: each layer of an image with its size, the instruction that made it, and who shares it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lamina.cli import units
from lamina.cli.listing import listing

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.insight.layers import LayerItem

HEADINGS = {
    "Number": "#",
    "Layer": "LAYER",
    "DiffID": "DIFF ID",
    "ChainID": "CHAIN ID",
    "Size": "SIZE",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Instruction": "INSTRUCTION",
    "SharedWith": "SHARED WITH",
    "Folder": "FOLDER",
    "Places": "PLACES",
}
_FORM = "{{.Layer}}\t{{.Size}}\t{{.Instruction}}\t{{.SharedWith}}"
_INSTRUCTION, _SHARED = 60, 40  # characters shown


def configure(command: Command) -> None:
    """Flags of `lamina layers`."""
    command.takes("IMAGE", 1, 1)
    command.option("format", "string", "Format output: table, 'table TEMPLATE', json, or a template")
    command.switch("no-trunc", "Don't truncate output")
    command.switch("quiet", "Only show diff IDs", "q")
    command.details = (
        "The bottom layer, the one that FROM began with, comes first. A layer whose files are not needed yet "
        "may lie in registries alone: Folder is empty then, and Places names these."
    )


def run(session: Session, args: Args) -> int:
    """Prints the table."""
    whole = args.on("no-trunc") or args.text("format") == "json"
    now = time.time()
    rows = [_row(item, now, whole=whole) for item in session.engine.layers(args.operands[0])]
    quiet = "{{.Layer}}" if args.on("quiet") else ""
    print(listing(rows, HEADINGS, _FORM, args.text("format"), quiet=quiet), end="")
    return 0


def _row(item: LayerItem, now: float, *, whole: bool) -> dict[str, str]:
    instruction = " ".join(item.created_by.split())
    shared = ", ".join(item.shared_with)
    return {
        "Number": str(item.number),
        "Layer": item.diff_id if whole else units.short_id(item.diff_id),
        "DiffID": item.diff_id,
        "ChainID": item.chain_id,
        "Size": units.human_size(item.size),
        "CreatedSince": units.ago(item.created, now),
        "CreatedAt": units.stamp(item.created),
        "Instruction": instruction if whole else units.ellipsis(instruction, _INSTRUCTION),
        "SharedWith": shared if whole else units.ellipsis(shared, _SHARED),
        "Folder": item.folder,
        "Places": ", ".join(item.places),
    }
