"""write_layer: entries and where their content comes from, straight into a layer, in one pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamina.tree.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.db.layerdb import Diff
    from lamina.layers.commit import Also
    from lamina.layers.context import Layers
    from lamina.layers.lookup import Lookup


class LayerItem(NamedTuple):
    """One entry of a layer to be, and its content.

    `source` is the bytes of a FILE, or a function that opens it; None for all other kinds. The size of
    `entry` must be right; when it has a digest, the content must have it too. mtimes are cut to seconds.
    """

    entry: Entry
    source: Callable[[], BinaryIO] | bytes | None = None


def write_layer(
    ctx: Layers, items: Iterable[LayerItem], *, parent: Lookup | None = None, also: Also | None = None
) -> Diff:
    """Writes and commits a layer of `items` (any order; of two for one path, the last counts).

    Folders on the way that `items` does not have are added: as `parent` has them, or root's with mode 0755.
    Paths are canonical: links in them were resolved by the caller.
    InvalidInput when a source is not what its entry says (it changed meanwhile).
    """
    raise NotImplementedError
