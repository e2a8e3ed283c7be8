"""lamina layers: each layer of an image with its size, the instruction that made it, and who shares it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from lamina.cli import units
from lamina.cli.escaping import escaped
from lamina.cli.listing import listing
from lamina.insight.counts import Counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.insight.layers import LayerItem

HEADINGS = {
    "Number": "#",
    "Layer": "LAYER",
    "DiffID": "DIFF ID",
    "ChainID": "CHAIN ID",
    "Size": "SIZE",
    "Files": "FILES",
    "Added": "ADDED",
    "Changed": "CHANGED",
    "Deleted": "DELETED",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Where": "WHERE",
    "Line": "LINE",
    "Stage": "STAGE",
    "Base": "BASE",
    "Instruction": "INSTRUCTION",
    "CreatedBy": "CREATED BY",
    "SharedWith": "SHARED WITH",
    "Folder": "FOLDER",
    "Places": "PLACES",
}
_INSTRUCTION, _SHARED = 60, 40  # characters shown


def configure(command: Command) -> None:
    """Flags of `lamina layers`."""
    command.takes("IMAGE", 1, 1)
    command.option("format", "string", "Format output: table, 'table TEMPLATE', json, or a template")
    command.switch("json", "Print all that is known as JSON")
    command.switch("no-trunc", "Don't truncate output")
    command.option("platform", "string", "Ask about the image for this platform (os/architecture[/variant])")
    command.switch("quiet", "Only show diff IDs", "q")
    command.details = (
        "The bottom layer, the one that FROM began with, comes first. FILES are paths: +added ~changed "
        "-deleted. WHERE is known where a build that made the layer is recorded (`lamina build ls`); BASE is "
        "the base image that brought it, as its layers tell. A layer whose files are not needed yet may lie "
        "in registries alone: Folder is empty then, and Places names these."
    )


def run(session: Session, args: Args) -> int:
    """Prints the table."""
    form, name, platform = args.text("format"), args.operands[0], args.text("platform")
    if args.on("json"):
        from lamina.cli.as_json import dumps

        print(dumps(session.engine.layers(name, platform=platform)))
        return 0
    quiet = "{{.Layer}}" if args.on("quiet") else ""
    whole = args.on("no-trunc") or form == "json"
    items = session.engine.layers(name, platform=platform, counted=not quiet)
    now = time.time()
    rows = [_row(item, now, whole=whole) for item in items]
    print(listing(rows, HEADINGS, _form(items), form, quiet=quiet), end="")
    if not form and not quiet and not any(item.base for item in items):
        _tell_base(session, name, platform)
    return 0


def _tell_base(session: Session, name: str, platform: str) -> None:
    """What only annotations or labels say of the base image."""
    for base in session.engine.base_images(name, platform=platform):
        told = escaped(f"{base.name} {base.digest}".rstrip())
        print(
            f"The {base.known_by} name the base image {told}: no layer is known as its own", file=sys.stderr
        )


def _form(items: Sequence[LayerItem]) -> str:
    """The columns of the table: what nothing is known of has none."""
    where = "\t{{.Where}}" if any(item.line for item in items) else ""
    base = "\t{{.Base}}" if any(item.base for item in items) else ""
    known = "{{.Number}}\t{{.Layer}}\t{{.Size}}\t{{.Files}}" + where + base
    return known + "\t{{.Instruction}}\t{{.SharedWith}}"


def _row(item: LayerItem, now: float, *, whole: bool) -> dict[str, str]:
    instruction = escaped(" ".join(item.instruction.split()))
    shared = ", ".join(item.shared_with)
    return {
        "Number": f"#{item.number}",
        "Layer": item.diff_id if whole else units.short_id(item.diff_id),
        "DiffID": item.diff_id,
        "ChainID": item.chain_id,
        "Size": units.human_size(item.size),
        "Files": Counts(item.added, item.changed, item.deleted).text,
        "Added": str(item.added),
        "Changed": str(item.changed),
        "Deleted": str(item.deleted),
        "CreatedSince": units.ago(item.created, now),
        "CreatedAt": units.stamp(item.created),
        "Where": escaped(f"{item.dockerfile}:{item.line}") if item.line else "",
        "Line": str(item.line or ""),
        "Stage": item.stage,
        "Base": item.base,
        "Instruction": instruction if whole else units.ellipsis(instruction, _INSTRUCTION),
        "CreatedBy": item.created_by,
        "SharedWith": shared if whole else units.ellipsis(shared, _SHARED),
        "Folder": item.folder,
        "Places": ", ".join(item.places),
    }
