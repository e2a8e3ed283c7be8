"""Two stacks of layers side by side: the paths at which what is to be seen above them differs.

Both passes read rows in one order, so memory does not grow with the number of files. Of the layers that both
stacks begin with only the folders are read that one of the others may have changed.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from lamina.db.files import ancestors, joined, key_of
from lamina.db.versions import merged, numbers_of, placed, versions
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from lamina.db.files import Row
    from lamina.db.versions import Version, Versions
    from lamina.oci.digest import DiffID

    Seen = Callable[[Versions], Version | None]


class Pair(NamedTuple):
    """One path on both sides; None where there is nothing. Not both are None, and their entries differ."""

    path: bytes
    old: Version | None
    new: Version | None


def pairs(
    c: sqlite3.Connection, old: Sequence[DiffID], new: Sequence[DiffID], under: bytes = b""
) -> Iterator[Pair]:
    """What differs between two stacks (bottom first), at and below `under`, in the order of `versions`.

    A difference in any field of the entries counts, also in times. NotFound when a layer has no row.
    """
    shared = shared_layers(old, new)
    if under or not shared:
        left, right = versions(c, old, under), versions(c, new, under)
    else:
        left, right = _upper(c, old, new, shared)
    return _differing(left, right, lambda each: each.now)


def layer_pairs(c: sqlite3.Connection, old: DiffID, new: DiffID) -> Iterator[Pair]:
    """What differs between two layers as they are: what they delete is a WHITEOUT. NotFound."""
    return _differing(versions(c, [old]), versions(c, [new]), lambda each: each.versions[0])


def shared_layers(old: Sequence[DiffID], new: Sequence[DiffID]) -> int:
    """How many layers both stacks begin with."""
    return sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(old, new, strict=False)))


def _differing(left: Iterable[Versions], right: Iterable[Versions], seen: Seen) -> Iterator[Pair]:
    for one, other in _side_by_side(iter(left), iter(right)):
        old = seen(one) if one is not None else None
        new = seen(other) if other is not None else None
        if (old.entry if old else None) != (new.entry if new else None):
            path = one.path if one is not None else other.path if other is not None else b""
            yield Pair(path, old, new)


def _side_by_side(
    left: Iterator[Versions], right: Iterator[Versions]
) -> Iterator[tuple[Versions | None, Versions | None]]:
    """Both streams as one; paths that only one of them has stand beside None."""
    one, other = next(left, None), next(right, None)
    while one is not None and other is not None:
        first, second = key_of(one.path), key_of(other.path)
        if first == second:
            yield one, other
            one, other = next(left, None), next(right, None)
        elif first < second:
            yield one, None
            one = next(left, None)
        else:
            yield None, other
            other = next(right, None)
    while one is not None:
        yield one, None
        one = next(left, None)
    while other is not None:
        yield None, other
        other = next(right, None)


def _upper(
    c: sqlite3.Connection, old: Sequence[DiffID], new: Sequence[DiffID], shared: int
) -> tuple[Iterator[Versions], Iterator[Versions]]:
    """Both passes without the folders of shared layers that no other layer can have changed."""
    below = numbers_of(c, old[:shared])
    above = numbers_of(c, [*old[shared:], *new[shared:]])
    having = [sorted(_folders(c, number)) for number in below]
    touched = _touched(c, above, having)

    def of(stack: Sequence[DiffID]) -> Iterator[Versions]:
        places = enumerate(zip(below, having, strict=True))
        lower = [_rows_in(c, place, number, touched, folders) for place, (number, folders) in places]
        upper = enumerate(numbers_of(c, stack[shared:]), shared)
        return merged([*lower, *(_rows(c, place, number) for place, number in upper)])

    return of(old), of(new)


def _touched(c: sqlite3.Connection, above: Sequence[int], having: Sequence[Sequence[bytes]]) -> set[bytes]:
    """The folders in which a layer of `above` may have changed what the layers below show."""
    touched: set[bytes] = set()
    for number in dict.fromkeys(above):
        touched.update(_folders(c, number))
    for folder in list(touched):
        touched.update(ancestors(folder))
    lost: set[bytes] = set()
    for number in dict.fromkeys(above):
        for path in _replaced(c, number):
            for folders in having:
                lost.update(_at_and_below(folders, path))
    return touched | lost


def _replaced(c: sqlite3.Connection, number: int) -> Iterator[bytes]:
    """The paths at which a layer ends what was below them, if that was a folder."""
    sql = "SELECT parent, name FROM files WHERE diff = ? AND (kind <> ? OR opaque)"
    for parent, name in c.execute(sql, (number, str(Kind.DIR))):
        yield joined(parent, name)


def _at_and_below(folders: Sequence[bytes], path: bytes) -> Iterator[bytes]:
    """Those of the sorted folders that are the one at `path`, or in it; all for the root."""
    if not path:
        yield from folders
        return
    at = bisect_left(folders, path)
    if at < len(folders) and folders[at] == path:
        yield path
    yield from folders[bisect_left(folders, path + b"/") : bisect_left(folders, path + b"0")]


def _folders(c: sqlite3.Connection, number: int) -> Iterator[bytes]:
    """The folders that a layer has rows in; the root's own row is in none."""
    for row in c.execute("SELECT DISTINCT parent FROM files WHERE diff = ?", (number,)):
        yield row[0]


def _rows(c: sqlite3.Connection, place: int, number: int) -> Iterator[Row]:
    sql = f"SELECT {placed(place)} FROM files AS f WHERE f.diff = ? ORDER BY f.parent, f.name"
    return c.execute(sql, (number,))


def _rows_in(
    c: sqlite3.Connection, place: int, number: int, touched: set[bytes], folders: Sequence[bytes]
) -> Iterator[Row]:
    """The rows of a layer in the folders that are touched."""
    wanted = [folder for folder in folders if folder in touched]
    if 2 * len(wanted) > len(folders):
        yield from _rows(c, place, number)
        return
    sql = f"SELECT {placed(place)} FROM files AS f WHERE f.diff = ? AND f.parent = ? ORDER BY f.name"
    for folder in wanted:
        yield from c.execute(sql, (number, folder))
