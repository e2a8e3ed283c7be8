"""lamina cache inspect: cache mounts as JSON, or the fields of them that a template names."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from lamina.cli.template import of_flag
from lamina.cli.template_functions import to_json
from lamina.errors import LaminaError

if TYPE_CHECKING:
    from lamina.cachemounts.listing import CacheSummary
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina cache inspect`."""
    command.takes("ID [ID...]", 1, None)
    command.option("format", "string", "Format output: json, or a template", "f")
    command.details = (
        "ID is the id of a cache mount (its target where it has none), or the name of an object."
    )


def run(session: Session, args: Args) -> int:
    """Prints what is found, then says what is not."""
    form = args.text("format")
    template = of_flag(form) if form not in ("", "json") else None
    found: list[dict[str, object]] = []
    faults: list[str] = []
    for name in args.operands:
        try:
            found += [_fields(mount) for mount in session.engine.cache.inspect(name)]
        except LaminaError as error:
            faults.append(f"Error: {error}")
    if template is not None:
        for one in found:
            print(template.execute(one))
    elif form == "json":
        print(to_json(found))
    else:
        print(json.dumps(found, indent=4, ensure_ascii=False) if found else "[]")
    sys.stdout.flush()
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def _fields(mount: CacheSummary) -> dict[str, object]:
    return {
        "ID": mount.id,
        "Name": mount.name,
        "Size": mount.size,
        "Uses": mount.uses,
        "Created": mount.created,
        "LastUsed": mount.last_used,
        "Sharing": mount.sharing,
        "InUse": mount.in_use,
        "Mode": f"{mount.mode:04o}",
        "UID": mount.uid,
        "GID": mount.gid,
        "From": mount.seed,
        "CreatedBy": mount.created_by,
        "Folder": mount.folder,
    }
