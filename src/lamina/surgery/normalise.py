"""normalise: layers and config as they would be, had they been made at one fixed time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lamina.db.listing import listing
from lamina.layers.rewrite import Piece, rewrite
from lamina.oci.timestamp import rfc3339
from lamina.surgery.parts import Line, Parts, done

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID
    from lamina.tree.entry import Entry

    Owner = tuple[int, int]

_SECOND = 1_000_000_000
_OF_MACHINE = ("container", "container_config", "docker_version")  # where Docker's old builder ran


def normalise(
    ctx: Layers, parts: Parts, low: int, high: int, latest: int, owner: Owner | None = None
) -> Parts:
    """The layers `low` to `high` (from 1, both included) with no time after `latest` (seconds since 1970).

    They get the one form that layers of Lamina have (order, headers), so that what was equal but for its
    times is the same layer. `owner` is a user and a group for all files. Their lines of history get no later
    time either, and the config loses what names the machine of a build. Errors as of layers.rewrite.
    """
    first = parts.at(low - 1) + 1 if low > 1 else 0  # after the last layer that stays
    last = parts.at(high) if high else -1
    moment = rfc3339(latest)
    lines = list(parts.lines)
    for place, (history, diff_id) in enumerate(lines[first:], first):
        if place <= last and diff_id is not None:
            diff_id = _layer(ctx, diff_id, latest, owner)
        lines[place] = Line(history._replace(created=_earlier(history.created, latest)), diff_id)
    extra = {name: value for name, value in parts.config.extra.items() if name not in _OF_MACHINE}
    what = "lamina normalise" + (f" --owner {owner[0]}:{owner[1]}" if owner is not None else "")
    lines.append(done(what, moment, f"no time after {moment}"))
    return parts._replace(config=parts.config._replace(extra=extra), lines=tuple(lines))


def _layer(ctx: Layers, diff_id: DiffID, latest: int, owner: Owner | None) -> DiffID | None:
    diff = rewrite(ctx, _pieces(ctx, diff_id, latest * _SECOND, owner))
    return diff.diff_id if diff is not None else None


def _pieces(ctx: Layers, diff_id: DiffID, latest: int, owner: Owner | None) -> Iterator[Piece]:
    for entry in listing(ctx.db.read(), diff_id):
        yield Piece(_changed(entry, latest, owner), diff_id)


def _changed(entry: Entry, latest: int, owner: Owner | None) -> Entry:
    entry = entry._replace(mtime=min(entry.mtime, latest))
    return entry if owner is None else entry._replace(uid=owner[0], gid=owner[1])


def _earlier(moment: str, latest: int) -> str:
    """A time of history that is not after `latest`; that for what is no time, too."""
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        return rfc3339(latest)
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return moment if found.timestamp() <= latest else rfc3339(latest)
