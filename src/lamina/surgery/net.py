"""net: what a range of layers comes to on top of the layers below it, path by path, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db.versions import versions
from lamina.tree.entry import Entry, Kind
from lamina.tree.stacking import over
from lamina.tree.tree import parent_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from lamina.db.versions import Version
    from lamina.oci.digest import DiffID


class Settled(NamedTuple):
    """What a range of layers does to one path in the end: `entry` is of the one layer that does it all.

    A folder is opaque when something shows below the range that must not. What deletes nothing is not there.
    """

    entry: Entry
    layer: int  # from 0: the layer whose entry it is; content is to be read there
    versions: tuple[Version, ...]  # what layers of the range did to the path, the oldest first


def net(c: sqlite3.Connection, diff_ids: Sequence[DiffID], low: int, high: int) -> Iterator[Settled]:
    """What the layers `low` to `high` (from 1, both included) of a stack, bottom first, come to.

    Sorted by folder, then by name, as db.versions has it. NotFound when a layer has no row.
    """
    hidden: set[bytes] = set()  # folders in which nothing of the layers below the range shows
    for found in versions(c, diff_ids[:high]):
        path = found.path
        mine = tuple([each for each in found.versions if each.layer >= low - 1])
        if not mine:
            continue
        below = None if low == 1 or (path and parent_of(path) in hidden) else found.after(low - 2)
        shows = below is not None and below.entry is not None and below.entry.kind is Kind.DIR
        entry = _settle(mine)
        if entry is not None and entry.opaque and not shows:
            entry = entry._replace(opaque=False)
        is_dir = entry is not None and entry.kind is Kind.DIR
        if (not is_dir and _was_dir(mine)) or (entry is not None and is_dir and (entry.opaque or not shows)):
            hidden.add(path)
        if entry is not None and (entry.kind is not Kind.WHITEOUT or below is not None):
            yield Settled(entry, mine[-1].layer, mine)


def _settle(mine: Sequence[Version]) -> Entry | None:
    """What is there after all layers of the range; None for what went with a folder above it."""
    entry: Entry | None = None
    for version in mine:
        entry = over(entry, version.entry) if version.entry is not None else None
    return entry


def _was_dir(mine: Sequence[Version]) -> bool:
    return any(each.entry is not None and each.entry.kind is Kind.DIR for each in mine)
