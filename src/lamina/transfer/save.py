"""save: images of the store as one archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.archive.writing import Named, write_archive
from lamina.db import indexdb
from lamina.errors import InvalidInput
from lamina.events import Notice, ignore
from lamina.layers.absent import bring
from lamina.oci.digest import Digest
from lamina.transfer.find import choose, hold
from lamina.transfer.image_view import image_view, plain_view
from lamina.transfer.index import index_view, is_index
from lamina.transfer.since import layers_since

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from lamina.events import Observer
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID
    from lamina.oci.platform import Platform
    from lamina.transfer.find import Chosen

FORMATS = ("docker-archive", "oci-archive")


def save(
    ctx: Layers,
    images: Sequence[str],
    sink: Callable[[bytes], object],
    format: str = FORMATS[0],
    platform: Platform | None = None,
    since: Sequence[str] = (),
    observer: Observer = ignore,
) -> None:
    """Writes the images that `images` name (`find.choose` says how) as a tar to `sink`.

    "docker-archive" is what Docker writes since 25: manifest.json over an OCI image layout, layers
    uncompressed. "oci-archive" is an OCI image layout of the manifests and blobs as the store has them.
    What a name stands for is written whole, an index as the store has it; with `platform`, of each only the
    image for it. Layers of the images `since`, named in the same way, are left out: `load` needs them in its
    store. The same images give the same bytes. NotFound, InvalidInput; Corrupt when the store is damaged.
    """
    if format not in FORMATS:
        raise InvalidInput(f"unknown archive format {format!r}", hint="use " + " or ".join(FORMATS))
    docker = format == FORMATS[0]
    chosen = choose(ctx, images, platform)
    hold(ctx, *[each.image_id for each in chosen], indexes=[each.index_digest for each in chosen])
    without = layers_since(ctx, since, chosen, platform)
    if since and not without:
        observer(Notice(f"nothing is left out: no layer of these images is one of {', '.join(since)}"))
    named = [_named(ctx, each, docker) for each in chosen]
    _bring(ctx, named, {layer for each in without for layer in each.layers})
    write_archive(named, sink, docker=docker, without=without)


def _bring(ctx: Layers, named: Sequence[Named], left_out: Collection[DiffID]) -> None:
    """What is elsewhere comes before anything is written: files of layers, or just the blobs."""
    images = [image for each in named for image in (each.whole.images if each.whole else (each.image,))]
    layers = [layer for image in images for layer in image.layers if layer.diff_id not in left_out]
    bring(ctx, [layer.diff_id for layer in layers if layer.digest == Digest(layer.diff_id)])
    for layer in layers:
        if layer.digest != Digest(layer.diff_id) and not ctx.blobs.has(layer.digest):
            layer.open().close()


def _named(ctx: Layers, chosen: Chosen, docker: bool) -> Named:
    if chosen.index_digest is None:
        view = plain_view if docker else image_view
        return Named(view(ctx, chosen.image_id), chosen.names)
    found = index_view(ctx, chosen.index_digest)
    members = indexdb.members(ctx.db.read(), chosen.index_digest)
    shown = next(number for number, each in enumerate(members) if each.image_id == chosen.image_id)
    if not is_index(found.data):
        return Named(found.images[shown], chosen.names)
    return Named(found.images[shown], chosen.names, found)
