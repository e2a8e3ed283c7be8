"""Observing, a Lookup that notes what it is asked; and whether a read set finds the same in other layers."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from lamina.db import readsets
from lamina.layers.lookup import EMPTY_DIFF, Lookup
from lamina.tree.readset import SHORT, Observed, digest_of, make

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.db.cachedb import Found
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID
    from lamina.tree.entry import Entry
    from lamina.tree.readset import ReadSet
    from lamina.tree.tree import Tree


class Observing(Lookup):
    """A Lookup that notes each path that it is asked for, and each folder that it lists.

    A file counts with its content; what is in a folder of which `children` told counts as looked up.
    """

    __slots__ = ("_looked_up", "_observed")

    def __init__(self, ctx: Layers, chain: Sequence[DiffID]) -> None:
        super().__init__(ctx, chain)
        self._observed: set[Observed] = set()
        self._looked_up: set[bytes] = set()  # the same for paths alone: there are many

    def read_set(self) -> ReadSet:
        """All that was asked until now, and what is there."""
        observed = sorted(self._observed.union(map(Observed, self._looked_up)))
        return make(observed, values(self._ctx, self.chain, observed))

    def children(self, path: bytes) -> Sequence[Entry]:
        """As Lookup's."""
        found = super().children(path)
        self._observed.update([Observed(entry.path) for entry in found])
        return found

    def tree(self) -> Tree:
        """As Lookup's."""
        found = super().tree()
        self._observed.update([Observed(entry.path, listed) for entry in found for listed in (False, True)])
        self._observed.update((Observed(b""), Observed(b"", True)))
        return found

    def _list(self, path: bytes) -> dict[bytes, Found]:
        self._observed.add(Observed(path, True))
        return super()._list(path)

    def _find(self, path: bytes) -> Found | None:
        self._looked_up.add(path)
        return super()._find(path)


def values(ctx: Layers, chain: Sequence[DiffID], observed: Sequence[Observed]) -> list[bytes]:
    """The whole value (tree.readset.value_of, listing_value) of each observation in these layers, top first.

    NotFound when a layer is not in the store; Corrupt when the digest of a file is not known.
    """
    return readsets.values(ctx.db.read(), _stack(chain), observed)


def _stack(chain: Sequence[DiffID]) -> list[DiffID]:
    """The layers that change something; the others need not be in the store."""
    return [diff_id for diff_id in chain if diff_id != EMPTY_DIFF]


def difference(
    ctx: Layers,
    chain: Sequence[DiffID],
    read_set: ReadSet,
    first: Observed | None = None,
    old: Sequence[DiffID] = (),
) -> Observed | None:
    """What these layers (top first) show otherwise than the read set says; None when all is the same.

    `first` is tried first: what differed the last time mostly does again. `old` are the layers that the read
    set is of, where they are still there: if few on top are others, those alone are compared. Errors as for
    `values`.
    """
    if first is not None:
        at = bisect_left(read_set.observed, first)
        known = read_set.observed[at : at + 1] == (first,)
        if known and values(ctx, chain, [first])[0][:SHORT] != read_set.values[at]:
            return first
    found = readsets.differing(ctx.db.read(), _stack(old), _stack(chain), read_set.observed) if old else None
    if found is None:
        found = differences(ctx, chain, read_set)
    return found[0] if found else None


def differences(ctx: Layers, chain: Sequence[DiffID], read_set: ReadSet) -> list[Observed]:
    """As `difference`: everything that differs, in the order of the read set."""
    whole = values(ctx, chain, read_set.observed)
    if digest_of(read_set.observed, whole) == read_set.digest:
        return []
    every = zip(read_set.observed, whole, read_set.values, strict=True)
    found = [observed for observed, value, before in every if value[:SHORT] != before]
    return found or list(read_set.observed)  # not even what is kept of the values tells which
