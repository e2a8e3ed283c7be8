"""lamina index ls: the indexes in the making."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lamina.cli import units
from lamina.cli.listing import listing

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session

HEADINGS = {"Name": "NAME", "Images": "IMAGES", "Platforms": "PLATFORMS", "ChangedSince": "CHANGED"}
_FORM = "{{.Name}}\t{{.Images}}\t{{.Platforms}}\t{{.ChangedSince}}"


def configure(command: Command) -> None:
    """Flags of `lamina index ls`."""
    command.takes("", 0, 0)
    command.option("format", "string", "Format output: table, 'table TEMPLATE', json, or a template", "f")
    command.switch("quiet", "Only display names", "q")


def run(session: Session, args: Args) -> int:
    """Prints the table."""
    from lamina.oci import reference

    rows = []
    for name, draft, changed in session.engine.index.ls():
        platforms = [str(each.descriptor.platform) for each in draft.entries if each.descriptor.platform]
        rows.append(
            {
                "Name": reference.parse(name).familiar(),
                "Images": str(len(draft.entries)),
                "Platforms": ", ".join(platforms),
                "ChangedSince": units.ago(changed, time.time()),
            }
        )
    quiet = "{{.Name}}" if args.on("quiet") else ""
    print(listing(rows, HEADINGS, _FORM, args.text("format"), quiet=quiet), end="")
    return 0
