"""lamina cache ls: the cache mounts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lamina.cli import filters, units
from lamina.cli.listing import listing
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from lamina.cachemounts.listing import CacheSummary
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session

HEADINGS = {
    "ID": "CACHE MOUNT",
    "Name": "OBJECT",
    "Size": "SIZE",
    "Uses": "USES",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "LastUsedSince": "LAST USED",
    "LastUsedAt": "LAST USED AT",
    "Sharing": "SHARING",
    "InUse": "IN USE",
    "Mode": "MODE",
    "Owner": "OWNER",
    "From": "FROM",
    "CreatedBy": "CREATED BY",
    "Folder": "FOLDER",
}
_FORM = "\t".join(
    f"{{{{.{field}}}}}"
    for field in ("ID", "Name", "Size", "Uses", "CreatedSince", "LastUsedSince", "Sharing", "InUse")
)
_FILTERS = ("id", "name", "sharing", "in-use", "unused-for")
_SHARINGS = ("shared", "private", "locked")
_ID, _CREATED_BY = 50, 60  # characters shown
_UNITS = {"s": 1, "m": 60, "h": 3600}


def configure(command: Command) -> None:
    """Flags of `lamina cache ls`."""
    command.takes("", 0, 0)
    command.option(
        "filter",
        "filter",
        "Filter output: id=PATTERN, name=PREFIX, sharing=, in-use=true|false, unused-for=24h",
        "f",
        many=True,
    )
    command.option("format", "string", "Format output: table, 'table TEMPLATE', json, or a template")
    command.switch("no-trunc", "Don't truncate output")
    command.switch("quiet", "Only show the names of objects", "q")


def run(session: Session, args: Args) -> int:
    """Prints the table."""
    wanted = filters.parse(args.texts("filter"), _FILTERS)
    filters.one_of(wanted, "sharing", _SHARINGS)
    now = time.time()
    whole = args.on("no-trunc") or args.text("format") == "json"
    found = [mount for mount in session.engine.cache.ls() if _wanted(mount, wanted, now)]
    rows = [row_of(mount, now, whole=whole) for mount in found]
    quiet = "{{.Name}}" if args.on("quiet") else ""
    print(listing(rows, HEADINGS, _FORM, args.text("format"), quiet=quiet), end="")
    return 0


def row_of(mount: CacheSummary, now: float, *, whole: bool) -> dict[str, str]:
    """The fields of one cache mount."""
    created_by = " ".join(mount.created_by.split())
    return {
        "ID": mount.id if whole else units.ellipsis(mount.id, _ID),
        "Name": mount.name,
        "Size": units.human_size(mount.size),
        "Uses": str(mount.uses),
        "CreatedSince": units.ago(mount.created, now),
        "CreatedAt": units.clock(mount.created),
        "LastUsedSince": units.ago(mount.last_used, now),
        "LastUsedAt": units.clock(mount.last_used),
        "Sharing": mount.sharing,
        "InUse": str(mount.in_use).lower(),
        "Mode": f"{mount.mode:04o}",
        "Owner": f"{mount.uid}:{mount.gid}",
        "From": mount.seed,
        "CreatedBy": created_by if whole else units.ellipsis(created_by, _CREATED_BY),
        "Folder": mount.folder,
    }


def _wanted(mount: CacheSummary, wanted: dict[str, list[str]], now: float) -> bool:
    return all(any(_matches(mount, key, value, now) for value in values) for key, values in wanted.items())


def _matches(mount: CacheSummary, key: str, value: str, now: float) -> bool:
    if key == "id":
        from fnmatch import fnmatchcase  # only when a pattern is given

        return fnmatchcase(mount.id, value)
    if key == "name":
        return mount.name.startswith(value)
    if key == "sharing":
        return mount.sharing == value
    if key == "in-use":
        return mount.in_use == filters.truth(value, key)
    last = units.seconds_of(mount.last_used)
    return last is not None and now - last >= _seconds(value)


def _seconds(value: str) -> float:
    """Seconds in 90, 90s, 15m, 24h."""
    number, unit = (value[:-1], value[-1]) if value[-1:] in _UNITS else (value, "s")
    if not number.isdecimal():
        raise InvalidInput(f"invalid filter 'unused-for={value}'", hint="a time is written 30m or 24h")
    return float(number) * _UNITS[unit]
