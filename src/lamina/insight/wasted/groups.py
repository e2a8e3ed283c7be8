"""Groups: the wasted files of an image, those together that one and the same change would save."""

from __future__ import annotations

import heapq
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from lamina.db.repeated import Repeated
from lamina.insight.wasted.caches import DATABASE, Caches, is_database
from lamina.insight.wasted.copies import COLUMNS, DELETED, METADATA, OVERWRITTEN, VISIBLE, Copy, copies
from lamina.insight.wasted.spill import Spill

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from lamina.insight.wasted.caches import CachedIn
    from lamina.oci.digest import DiffID

CACHE, DUPLICATE = "cache", "duplicate"
MOVED = "moved"  # DELETED, by a layer that has the content at another path
MOST_FILES = 10  # that a group knows by name
_MOST_ROOTS = 4
_COLUMNS = f"{COLUMNS}, visible INT"
_DIGEST = Copy._fields.index("digest")


class Why(NamedTuple):
    """What the files of a group have in common; layers are numbered from 0."""

    kind: str
    layer: int  # carries the bytes
    by: int  # -1 of a cache
    what: str  # what METADATA has anew; MOVED; DATABASE
    cached: CachedIn | None  # where the files are of a cache


class Group:
    """Files that are wasted for the same reason."""

    def __init__(self, why: Why) -> None:
        self.why = why
        self.size = 0
        self.files = 0
        self.folder: bytes | None = None
        self.roots: dict[bytes, None] = {}  # what was deleted, in the order it was found; _MOST_ROOTS at most
        self.owners: set[tuple[int, int]] = set()  # two of them are as good as many
        self.modes: set[int] = set()
        self._biggest: list[tuple[int, int, bytes, bytes]] = []

    @property
    def biggest(self) -> list[tuple[int, bytes, bytes]]:
        """Size, path, and the path of the copy that stays; the biggest first."""
        return [(size, path, other) for size, _, path, other in sorted(self._biggest, reverse=True)]

    @property
    def all_roots(self) -> list[bytes]:
        """What was deleted; [] when that is too much to be listed."""
        return list(self.roots) if len(self.roots) < _MOST_ROOTS else []

    def add(self, copy: Copy, other: bytes = b"") -> None:
        """Counts one file, and notes what a change to the Dockerfile would have to say."""
        self.size += copy.size
        self.files += 1
        self.folder = _common(self.folder, copy.path.rpartition(b"/")[0])
        self._note(copy)
        item = (copy.size, -self.files, copy.path, other)
        if len(self._biggest) < MOST_FILES:
            heapq.heappush(self._biggest, item)
        elif item > self._biggest[0]:
            heapq.heapreplace(self._biggest, item)

    def _note(self, copy: Copy) -> None:
        if copy.root and len(self.roots) < _MOST_ROOTS:
            self.roots[copy.root] = None
        if len(self.owners) < 2:
            self.owners.add((copy.uid, copy.gid))
        if len(self.modes) < 2:
            self.modes.add(copy.mode)


class Tally(NamedTuple):
    """All groups of an image, and the bytes that each layer carries."""

    groups: list[Group]
    carried: list[int]


def tally(c: sqlite3.Connection, diff_ids: Sequence[DiffID]) -> Tally:
    """What is wasted in a stack, bottom first; each copy is in one group at most. NotFound, NoSpace."""
    groups: dict[Why, Group] = {}
    carried = [0] * len(diff_ids)
    caches, repeated = Caches(), Repeated(c, diff_ids)
    with Spill(_COLUMNS) as alike:
        for copy in copies(c, diff_ids):
            carried[copy.layer] += copy.size
            cached = caches.of(copy.path) if copy.fate != METADATA else None
            if cached is None and copy.fate in (VISIBLE, DELETED) and copy.digest in repeated:
                alike.put((*copy, copy.fate == VISIBLE))
            elif cached is not None or copy.fate != VISIBLE:
                _put(groups, _why(copy, cached), copy)
        for _, same in groupby(alike.sorted("digest, visible DESC, layer, path"), key=itemgetter(_DIGEST)):
            _add_alike(groups, (Copy(*row[:-1]) for row in same))
    return Tally(list(groups.values()), carried)


def _why(copy: Copy, cached: CachedIn | None) -> Why:
    kind = CACHE if copy.fate == VISIBLE else copy.fate
    what = DATABASE if copy.fate == OVERWRITTEN and is_database(copy.path) else copy.what
    return Why(kind, copy.layer, copy.by, what, cached)


def _add_alike(groups: dict[Why, Group], same: Iterable[Copy]) -> None:
    """Files with one content, visible ones first: the lowest of these stays, the first of them by name."""
    kept: Copy | None = None
    places: dict[int, bytes] = {}  # the first visible path in each layer
    for copy in same:
        if copy.fate == VISIBLE:
            places.setdefault(copy.layer, copy.path)
            if kept is None:
                kept = copy
            else:
                _put(groups, Why(DUPLICATE, copy.layer, kept.layer, "", None), copy, kept.path)
        else:
            place = places.get(copy.by, b"")
            _put(groups, Why(DELETED, copy.layer, copy.by, MOVED if place else "", None), copy, place)


def _put(groups: dict[Why, Group], why: Why, copy: Copy, other: bytes = b"") -> None:
    found = groups.get(why)
    if found is None:
        found = groups[why] = Group(why)
    found.add(copy, other)


def _common(folder: bytes | None, other: bytes) -> bytes:
    """The deepest folder that both lie in."""
    if folder is None or folder == other:
        return other
    while folder and not (other + b"/").startswith(folder + b"/"):
        folder = folder.rpartition(b"/")[0]
    return folder
