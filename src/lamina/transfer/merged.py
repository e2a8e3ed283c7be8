"""The merged files of an image: the view of them, and a tar of a view."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lamina.layers.absent import bring
from lamina.layers.lookup import Lookup
from lamina.oci import config as configs
from lamina.transfer.image_view import read_config
from lamina.tree.tar.write import write_tar

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.layers.context import Layers
    from lamina.oci.digest import ImageID


def write_merged(ctx: Layers, lookup: Lookup, sink: Callable[[bytes], object]) -> None:
    """Writes a merged tree as one tar, sorted by path."""
    bring(ctx, lookup.chain)
    items = ((entry, partial(lookup.open, entry.path) if entry.size else None) for entry in lookup.tree())
    write_tar(items, sink)


def image_lookup(ctx: Layers, image_id: ImageID) -> Lookup:
    """The merged view of an image. NotFound."""
    config = configs.parse(read_config(ctx, image_id))
    return Lookup(ctx, config.diff_ids[::-1])
