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
from lamina.transfer.loaded import LoadedImage
from lamina.transfer.register import register_image

if TYPE_CHECKING:
    from lamina.archive.image import ArchivedImage, ArchivedLayer
    from lamina.events import Observer
    from lamina.layers.context import Layers
    from lamina.oci.platform import Platform


def load(
    ctx: Layers, source: BinaryIO | str, *, platform: Platform | None = None, observer: Observer = ignore
) -> list[LoadedImage]:
    """Loads every image of an archive: Docker's, old or new, or an OCI layout; compressed or not.

    `source` is a path, or a stream, which is copied into the store's folder first if it cannot be sought in.
    Of an image for several platforms, that for `platform` is loaded (this machine's by default).
    Layers that the store has are not read. InvalidInput, Corrupt, NotFound, Denied, NoSpace: images that
    were loaded before the error stay, of the one that failed there is no image.
    """
    files = open_files(source, ctx.layout.root)
    try:
        images = read_images(files, platform or platforms.host(os.uname().machine))
        names = [_names(image, observer) for image in images]  # before anything is loaded
        return [_load(ctx, *each, observer) for each in zip(images, names, strict=True)]
    finally:
        files.close()


def _load(
    ctx: Layers, image: ArchivedImage, names: list[references.Reference], observer: Observer
) -> LoadedImage:
    total = sum(layer.size for layer in image.layers)
    done = 0
    for layer in image.layers:
        _load_layer(ctx, layer)
        done += layer.size
        observer(Progress("Loading layers", done, total))
    tags = [str(name) for name in names]
    manifest = image.manifest_bytes or None
    row = register_image(ctx, image.config_bytes, image.config.diff_ids, tags, manifest=manifest)
    return LoadedImage(row.image_id, tuple([name.familiar() for name in names]))


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
