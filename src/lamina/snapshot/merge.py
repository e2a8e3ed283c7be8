"""merge: what shows of a stack of layers, by the rules of overlay (and of the image-spec's layer.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable


def merge(layers: Iterable[Iterable[Entry]]) -> list[tuple[int, Entry]]:
    """The visible entries with the number of the layer each one is from, sorted by path.

    `layers` are sorted by path, top first. A HARDLINK whose file is hidden by a layer above still names it.
    The root (b"") is left out: see snapshot.root.
    """
    visible: dict[bytes, tuple[int, Entry]] = {}
    closed: set[bytes] = set()  # paths through which nothing of the layers below can be seen
    for number, layer in enumerate(layers):
        closing = []
        unseen: set[bytes] = set()  # folders of this layer that a layer above closes
        for entry in layer:
            path = entry.path
            parent = path.rpartition(b"/")[0]
            if path and (parent in unseen or parent in closed or path in closed):
                unseen.add(path)
                continue
            if entry.kind is not Kind.DIR or entry.opaque:
                closing.append(path)
            if path and path not in visible and entry.kind is not Kind.WHITEOUT:
                visible[path] = (number, entry)
        closed.update(closing)
        if b"" in closed:
            break
    return [visible[path] for path in sorted(visible)]
