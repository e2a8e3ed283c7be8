"""Commuting: whether two layers of a stack may change places, and at which paths they may not.

Two layers commute when whatever lies below them looks the same in either order, but for the times of folders
that both of them touch, and for which names of an equal file are hard links of each other.
"""

from __future__ import annotations

from heapq import merge
from itertools import groupby
from typing import TYPE_CHECKING

from lamina.tree.entry import Entry, Kind
from lamina.tree.tree import ancestors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def opposed(a: Iterable[Entry], b: Iterable[Entry]) -> Iterator[bytes]:
    """The paths at which two layers do not commute, in the order of `place`; each once.

    Both are sorted by `place`, as the rows of the database are, and each has all folders that its entries lie
    in. Keeps nothing but the paths of opaque folders.
    """
    emptied: tuple[set[bytes], set[bytes]] = (set(), set())
    for _, group in groupby(merge(_of(0, a), _of(1, b)), key=lambda each: each[0]):
        pair: list[Entry | None] = [None, None]
        for _, side, entry in group:
            pair[side] = entry
        first, second = pair
        if first is not None and second is not None:
            if not _alike(first, second):
                yield first.path
        elif any(_hidden(each, emptied[1 - side]) for side, each in enumerate(pair)):
            yield next(each for each in pair if each is not None).path
        for side, each in enumerate(pair):
            if each is not None and each.opaque:
                emptied[side].add(each.path)


def place(path: bytes) -> tuple[bytes, bytes]:
    """What entries are sorted by: their folder, then their name."""
    folder, _, name = path.rpartition(b"/")
    return folder, name


def _of(side: int, entries: Iterable[Entry]) -> Iterator[tuple[tuple[bytes, bytes], int, Entry]]:
    return ((place(entry.path), side, entry) for entry in entries)


def _alike(first: Entry, second: Entry) -> bool:
    """Whether it is all the same which of the two comes last: only the times of folders may differ."""
    if first.kind is not Kind.DIR or second.kind is not Kind.DIR:
        return first == second
    return first == second._replace(mtime=first.mtime, opaque=first.opaque)


def _hidden(entry: Entry | None, emptied: set[bytes]) -> bool:
    """Whether the other layer empties a folder that this entry lies in."""
    if entry is None or not emptied or not entry.path or entry.kind is Kind.WHITEOUT:
        return False
    return b"" in emptied or any(folder in emptied for folder in ancestors(entry.path))
