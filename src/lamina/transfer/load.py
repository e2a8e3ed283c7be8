"""load: the images of an archive into the store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from lamina.archive.opening import open_files
from lamina.archive.reading import read_images
from lamina.errors import InvalidInput
from lamina.events import Notice, Progress, ignore
from lamina.layers.apply import apply_layer
from lamina.layers.commit import reuse_diff
from lamina.oci import platform as platforms
from lamina.oci import reference as references
from lamina.oci.digest import Digest
from lamina.transfer.index import described, register_index
from lamina.transfer.loaded import LoadedImage
from lamina.transfer.register import register_image

if TYPE_CHECKING:
    from lamina.archive.image import ArchivedImage, ArchivedIndex, ArchivedLayer
    from lamina.events import Observer
    from lamina.layers.context import Layers
    from lamina.oci.digest import ImageID
    from lamina.oci.platform import Platform


def load(
    ctx: Layers, source: BinaryIO | str, *, platform: Platform | None = None, observer: Observer = ignore
) -> list[LoadedImage]:
    """Loads every image of an archive: Docker's, old or new, or an OCI layout; compressed or not.

    `source` is a path, or a stream, which is copied into the store's folder first if it cannot be sought in.
    An image for several platforms is loaded with all of them that the archive has; with `platform`, the one
    for it alone.
    Layers that the store has are not read. InvalidInput, Corrupt, NotFound, Denied, NoSpace: images that
    were loaded before the error stay, of the one that failed there is no image.
    """
    host = platforms.host(os.uname().machine)
    files = open_files(source, ctx.layout.root)
    try:
        images = read_images(files, platform or host, whole=platform is None)
        names = [_names(image, observer) for image in images]  # before anything is loaded
        return [_load(ctx, *each, host, observer) for each in zip(images, names, strict=True)]
    finally:
        files.close()


def _load(
    ctx: Layers,
    image: ArchivedImage,
    names: list[references.Reference],
    host: Platform,
    observer: Observer,
) -> LoadedImage:
    images = image.whole.images if image.whole else (image,)
    total = sum(layer.size for each in images for layer in each.layers)
    done = 0
    for layer in (layer for each in images for layer in each.layers):
        _load_layer(ctx, layer)
        done += layer.size
        observer(Progress("Loading layers", done, total))
    tags = [str(name) for name in names]
    shown = tuple([name.familiar() for name in names])
    if image.whole is not None:
        return LoadedImage(_load_index(ctx, image.whole, tags, host), shown)
    return LoadedImage(_register(ctx, image, tags), shown)


def _register(ctx: Layers, image: ArchivedImage, tags: list[str]) -> ImageID:
    manifest = image.manifest_bytes or None
    return register_image(ctx, image.config_bytes, image.config.diff_ids, tags, manifest=manifest).image_id


def _load_index(ctx: Layers, index: ArchivedIndex, tags: list[str], host: Platform) -> ImageID:
    """Everything that the index names, then the index. The image that its names show."""
    parts = []
    for image in index.images:
        image_id = _register(ctx, image, [])
        for layer in image.layers:  # as this manifest has it: the store may have it packed otherwise
            if layer.digest is not None and layer.digest != Digest(layer.diff_id):
                with layer.open() as stream:
                    ctx.blobs.put(stream, layer.digest, layer.size)
        parts.append(described(ctx, image_id, image.manifest_bytes))
    for blob in index.others:
        with blob.files.open(blob.name) as stream:
            ctx.blobs.put(stream, blob.digest, blob.size)
    return register_index(ctx, index.data, parts, tags, host).image_id


def _load_layer(ctx: Layers, layer: ArchivedLayer) -> None:
    if reuse_diff(ctx, layer.diff_id) is not None:
        return
    with layer.open() as stream:
        apply_layer(ctx, stream, diff_id=layer.diff_id, blob=layer.digest, media_type=layer.media_type)


def _names(image: ArchivedImage, observer: Observer) -> list[references.Reference]:
    """The names of an image, those that are none left out."""
    found = []
    for name in image.names:
        try:
            found.append(references.parse_tagged(name))
        except InvalidInput as error:
            observer(Notice(f"name {name[:200]!r} in the archive is left out: {error.message}"))
    return found
