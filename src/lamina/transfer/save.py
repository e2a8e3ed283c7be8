"""save: images of the store as one archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.archive.writing import Named, write_archive
from lamina.errors import InvalidInput
from lamina.transfer.find import choose, hold
from lamina.transfer.image_view import image_view, plain_view

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.layers.context import Layers

FORMATS = ("docker-archive", "oci-archive")


def save(
    ctx: Layers, images: Sequence[str], sink: Callable[[bytes], object], format: str = FORMATS[0]
) -> None:
    """Writes the images that `images` name (`find.choose` says how) as a tar to `sink`.

    "docker-archive" is what Docker writes since 25: manifest.json over an OCI image layout, layers
    uncompressed. "oci-archive" is an OCI image layout of the manifests and blobs as the store has them.
    The same images give the same bytes. NotFound, InvalidInput; Corrupt when the store is damaged.
    """
    if format not in FORMATS:
        raise InvalidInput(f"unknown archive format {format!r}", hint="use " + " or ".join(FORMATS))
    docker = format == FORMATS[0]
    view = plain_view if docker else image_view
    chosen = choose(ctx, images)
    hold(ctx, *[each.image_id for each in chosen])
    named = [Named(view(ctx, each.image_id), each.names) for each in chosen]
    write_archive(named, sink, docker=docker)
