"""The merged files of an image: the view of them, and a tar of a view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.archive.compression import CHUNK
from lamina.layers.lookup import Lookup
from lamina.oci import config as configs
from lamina.transfer.image_view import read_config
from lamina.tree.entry import Kind
from lamina.tree.tar.write import TarWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.layers.context import Layers
    from lamina.oci.digest import ImageID


def write_merged(lookup: Lookup, sink: Callable[[bytes], object]) -> None:
    """Writes a merged tree as one tar, sorted by path."""
    tar = TarWriter(sink)
    for entry in lookup.tree():
        tar.add(entry)
        if entry.kind is Kind.FILE and entry.size:
            with lookup.open(entry.path) as source:
                while chunk := source.read(CHUNK):
                    tar.data(chunk)
    tar.finish()


def image_lookup(ctx: Layers, image_id: ImageID) -> Lookup:
    """The merged view of an image. NotFound."""
    config = configs.parse(read_config(ctx, image_id))
    return Lookup(ctx, config.diff_ids[::-1])
