"""Stacking: what two layers, one on the other, come to as one layer. Pure.

Layers are here as the store has them: with the folders of each path, no path twice, and hard links that carry
the metadata of their file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.tree.change import relink
from lamina.tree.entry import Entry, Kind
from lamina.tree.tree import Tree, ancestors

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator


def over(lower: Entry | None, upper: Entry) -> Entry:
    """What two layers do to one path together: `upper` is the upper one's entry, `lower` that of the other.

    A folder hides what the layers below both have in it when one of them hides that, in whatever way.
    """
    if upper.kind is not Kind.DIR or upper.opaque or lower is None:
        return upper
    hides = lower.kind is not Kind.DIR or lower.opaque
    return upper._replace(opaque=True) if hides else upper


def compose(lower: Iterable[Entry], upper: Iterable[Entry]) -> tuple[Entry, ...]:
    """The layer that does what `lower` does and then `upper`, sorted by path.

    For every tree `t`: apply(apply(t, lower), upper) is apply(t, compose(lower, upper)), see tree.change.
    """
    below, above = Tree(lower), Tree(upper)
    closed = {entry.path for entry in above if entry.kind is not Kind.DIR or entry.opaque}
    merged = {entry.path: entry for entry in below if closed.isdisjoint(_above(entry.path))}
    for entry in above:
        merged[entry.path] = over(merged.get(entry.path), entry)
    relink(below, {entry.path for entry in above}, merged)
    return tuple(sorted(_said_once(merged.values())))


def _said_once(entries: Collection[Entry]) -> Iterator[Entry]:
    """The entries without what says nothing more below an opaque folder: deletions, and being opaque."""
    opaque = {entry.path for entry in entries if entry.opaque}
    for entry in entries:
        if opaque.isdisjoint(_above(entry.path)):
            yield entry
        elif entry.kind is not Kind.WHITEOUT:
            yield entry._replace(opaque=False)


def _above(path: bytes) -> list[bytes]:
    """The folders that a path lies in, the root too."""
    return [*ancestors(path), b""] if path else []
