"""load: the images of an archive into the store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from lamina.archive.opening import open_files
from lamina.archive.reading import read_images
from lamina.errors import InvalidInput, NotFound
from lamina.events import Notice, Progress, ignore
from lamina.layers.apply import apply_layer
from lamina.layers.commit import reuse_diff
from lamina.oci import platform as platforms
from lamina.oci import reference as references
from lamina.oci.digest import Digest
from lamina.transfer.index import described, register_index
from lamina.transfer.loaded import LoadedImage
from lamina.transfer.register import register_image
from lamina.transfer.since import check_here, layers_of

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    Layers that the store has are not read; an archive may leave them out (transfer.since), else NotFound
    names them. InvalidInput, Corrupt, NotFound, Denied, NoSpace: images that were loaded before the error
    stay, of the one that failed there is no image.
    """
    host = platforms.host(os.uname().machine)
    files = open_files(source, ctx.layout.root)
    try:
        images = read_images(files, platform or host, whole=platform is None)
        check_here(ctx, images)  # before anything is loaded
        names = [_names(image, observer) for image in images]
        return [load_image(ctx, *each, host, observer) for each in zip(images, names, strict=True)]
    finally:
        files.close()


def load_image(
    ctx: Layers,
    image: ArchivedImage,
    names: Sequence[references.Reference],
    host: Platform,
    observer: Observer,
) -> LoadedImage:
    """One image of an archive under these names; `host` is shown of an index. Errors as of `load`."""
    layers = layers_of(image)
    total = sum(layer.size for layer in layers)
    done = 0
    for layer in layers:
        _load_layer(ctx, layer)
        done += layer.size
        observer(Progress("Loading layers", done, total))
    tags = [str(name) for name in names]
    shown = tuple([name.familiar() for name in names])
    lacking = _lacking(ctx, layers)
    if image.whole is not None and lacking is None:
        return LoadedImage(_load_index(ctx, image.whole, tags, host), shown)
    if lacking is not None and image.manifest_bytes:
        what = "image alone" if image.whole else "image, with another manifest"
        observer(Notice(_otherwise(lacking, what)))
    return LoadedImage(_register(ctx, image, tags), shown)


def _lacking(ctx: Layers, layers: Sequence[ArchivedLayer]) -> ArchivedLayer | None:
    """A layer that the archive leaves out, and that the store has packed otherwise."""
    for layer in layers:
        digest = layer.digest
        if not layer.elsewhere or digest is None or digest == Digest(layer.diff_id):
            continue
        if not ctx.blobs.touch(digest):
            return layer
    return None


def _otherwise(layer: ArchivedLayer, what: str) -> str:
    return (
        f"loaded is the {what}: layer {layer.diff_id[:19]} of {layer.elsewhere} is here, "
        f"but not as the blob {str(layer.digest)[:19]} that the archive names"
    )


def _register(ctx: Layers, image: ArchivedImage, tags: list[str]) -> ImageID:
    manifest = image.manifest_bytes or None
    return register_image(ctx, image.config_bytes, image.config.diff_ids, tags, manifest=manifest).image_id


def _load_index(ctx: Layers, index: ArchivedIndex, tags: list[str], host: Platform) -> ImageID:
    """Everything that the index names, then the index. The image that its names show."""
    parts = []
    for image in index.images:
        image_id = _register(ctx, image, [])
        for layer in image.layers:  # as this manifest has it: the store may have it packed otherwise
            if layer.digest not in (None, Digest(layer.diff_id)) and not layer.elsewhere:
                with layer.open() as stream:
                    ctx.blobs.put(stream, layer.digest, layer.size)
        parts.append(described(ctx, image_id, image.manifest_bytes))
    for blob in index.others:
        with blob.files.open(blob.name) as stream:
            ctx.blobs.put(stream, blob.digest, blob.size)
    return register_index(ctx, index.data, parts, tags, host).image_id


def _load_layer(ctx: Layers, layer: ArchivedLayer) -> None:
    if reuse_diff(ctx, layer.diff_id, with_files=not layer.elsewhere) is not None:
        return
    if layer.elsewhere:
        raise NotFound(f"layer {layer.diff_id} was removed meanwhile", hint="run the command again")
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
