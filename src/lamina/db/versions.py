"""What became of each path, layer by layer: the one pass over the rows that most questions are a reader of.

    for found in versions(c, diff_ids):     # bottom first, as a config lists them
        found.path, found.now, found.versions

Rows of all layers are merged as they are read, so memory does not grow with the number of files, only with
that of folders that a layer deleted or replaced.
"""

from __future__ import annotations

from heapq import merge
from itertools import chain, groupby
from typing import TYPE_CHECKING, NamedTuple

from lamina.db.files import COLUMNS, ancestors, entry_of, joined, key_of
from lamina.db.marks import in_parts, marks
from lamina.errors import NotFound
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from lamina.db.files import Row
    from lamina.oci.digest import DiffID

_PLACE = 2  # of the layer's number in the rows that are merged here: after folder and name


class Version(NamedTuple):
    """What one layer did to a path.

    `entry` is a WHITEOUT where the layer deletes the path, and None where the path went because of what the
    layer did to a folder above it (deleted, opaque, or something else now).
    """

    layer: int  # from 0, the bottom
    entry: Entry | None

    @property
    def is_there(self) -> bool:
        """Whether there is something at the path afterwards."""
        return self.entry is not None and self.entry.kind is not Kind.WHITEOUT


class Versions(NamedTuple):
    """One path with all that layers did to it, the oldest first; never empty.

    A WHITEOUT may be of something that was not there. An opaque folder stands in `entry.opaque`.
    """

    path: bytes
    versions: tuple[Version, ...]

    @property
    def now(self) -> Version | None:
        """What is to be seen above all layers; None for a path that is gone."""
        last = self.versions[-1]
        return last if last.is_there else None

    def after(self, layer: int) -> Version | None:
        """What was to be seen above this layer (from 0) and those below it."""
        seen = [version for version in self.versions if version.layer <= layer]
        return seen[-1] if seen and seen[-1].is_there else None


def versions(
    c: sqlite3.Connection, diff_ids: Sequence[DiffID], under: bytes = b"", *, deep: bool = True
) -> Iterator[Versions]:
    """Every path that a layer of this stack (bottom first) has a row for, at and below the folder `under`.

    Sorted by folder, then by name: a folder comes before what is in it, but what is in its folders comes
    after it all. With `deep` off only what lies directly in `under`. NotFound when a layer has no row.
    """
    numbers = numbers_of(c, diff_ids)
    cleared = _cleared_above(c, numbers, under)
    at_top = _at(c, numbers, under)
    if at_top:
        yield from _joined(at_top, cleared)
    elif under:
        cleared[under] = cleared.get(key_of(under)[0], ())
    rows = [_rows(c, place, number, under, deep=deep) for place, number in enumerate(numbers)]
    yield from _joined(merge(*rows), cleared)


def merged(layers: Iterable[Iterable[Row]]) -> Iterator[Versions]:
    """The same of rows that are chosen already: of each layer sorted, as `placed` columns have them.

    Rows of a folder above each of them must be there, too, where a layer has one.
    """
    return _joined(merge(*layers), {})


def placed(place: int) -> str:
    """The columns of `files` AS f that `merged` reads, for the layer `place` (from 0, the bottom)."""
    return COLUMNS.replace("f.name,", f"f.name, {place},", 1)


def versions_at(c: sqlite3.Connection, diff_ids: Sequence[DiffID], path: bytes) -> Versions | None:
    """The same for one path; None when no layer has a row for it. A few look-ups by key."""
    numbers = numbers_of(c, diff_ids)
    rows = _at(c, numbers, path)
    return next(_joined(rows, _cleared_above(c, numbers, path)), None) if rows else None


def numbers_of(c: sqlite3.Connection, diff_ids: Sequence[DiffID]) -> list[int]:
    """The number of each layer in the table `diffs`. NotFound."""
    known: dict[str, int] = {}
    wanted = list(dict.fromkeys(diff_ids))
    for part in in_parts(wanted):
        known.update(c.execute(f"SELECT diff_id, num FROM diffs WHERE diff_id IN ({marks(part)})", part))
    for diff_id in wanted:
        if diff_id not in known:
            raise NotFound(f"layer {diff_id} is not in the store")
    return [known[diff_id] for diff_id in diff_ids]


def _rows(c: sqlite3.Connection, place: int, number: int, under: bytes, *, deep: bool) -> Iterator[Row]:
    """The rows of one layer below a folder, which begin with folder, name and the layer's place."""
    select = f"SELECT {placed(place)} FROM files AS f WHERE f.diff = ?"
    order = "ORDER BY f.parent, f.name"
    direct = c.execute(f"{select} AND f.parent = ? AND f.name <> x'' {order}", (number, under))
    if not deep:
        return direct
    if under:
        bounds = (number, under + b"/", under + b"0")
        return chain(direct, c.execute(f"{select} AND f.parent >= ? AND f.parent < ? {order}", bounds))
    return chain(direct, c.execute(f"{select} AND f.parent > x'' {order}", (number,)))


def _at(c: sqlite3.Connection, numbers: Sequence[int], path: bytes) -> list[Row]:
    """The rows for one path, the bottom layer's first."""
    found: list[Row] = []
    for place, number in enumerate(numbers):
        sql = f"SELECT {placed(place)} FROM files AS f WHERE f.diff = ? AND f.parent = ? AND f.name = ?"
        found += c.execute(sql, (number, *key_of(path))).fetchall()
    return found


def _cleared_above(
    c: sqlite3.Connection, numbers: Sequence[int], path: bytes
) -> dict[bytes, tuple[int, ...]]:
    """By which layers each folder that `path` lies in was emptied."""
    cleared: dict[bytes, tuple[int, ...]] = {}
    for folder in ancestors(path):
        for _ in _joined(_at(c, numbers, folder), cleared):
            pass
        cleared.setdefault(folder, cleared.get(key_of(folder)[0], ()) if folder else ())
    return cleared


def _joined(rows: Iterable[Row], cleared: dict[bytes, tuple[int, ...]]) -> Iterator[Versions]:
    """The rows for each path as one; notes in `cleared` which layers emptied a folder, or one above it."""
    for (parent, name), group in groupby(rows, key=lambda row: (row[0], row[1])):
        path = joined(parent, name)
        emptied = cleared.get(parent, ()) if path else ()
        events: list[Version] = []
        own: list[int] = []
        is_folder = False
        for row in group:
            place = row[_PLACE]
            entry = entry_of(row[:_PLACE] + row[_PLACE + 1 :])
            events.append(Version(place, entry))
            is_folder = is_folder or entry.kind is Kind.DIR
            if entry.opaque or entry.kind is not Kind.DIR:
                own.append(place)
        if emptied:
            events = _with_losses(events, emptied)
        if is_folder and (own or emptied):
            cleared[path] = tuple(sorted({*own, *emptied}))
        yield Versions(path, tuple(events))


def _with_losses(events: list[Version], emptied: Sequence[int]) -> list[Version]:
    """Adds where the path went with its folder: only what was there can go."""
    out: list[Version] = []
    losses = list(emptied)
    for event in events:
        while losses and losses[0] <= event.layer:
            lost = losses.pop(0)
            if lost < event.layer and out and out[-1].is_there:
                out.append(Version(lost, None))
        out.append(event)
    for lost in losses:
        if out[-1].is_there:
            out.append(Version(lost, None))
    return out
