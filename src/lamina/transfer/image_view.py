"""image_view: an image of the store as other rooms and tools see it (lamina.oci.image), in three forms.

`image_view` is the image as its manifest says; `plain_view` has every layer uncompressed, as Docker keeps
them; `gzip_view` has every layer compressed: as it was received, else by us, which needs a file for each.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamina.archive.compression import GzipWriter
from lamina.db import imagedb, layerdb
from lamina.errors import Corrupt
from lamina.layers.pack import open_packed, pack
from lamina.oci import config as configs
from lamina.oci import manifest as manifests
from lamina.oci import media
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import DiffID, Digest, sha256
from lamina.oci.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.archive.opening import Spools
    from lamina.db.layerdb import Diff
    from lamina.layers.context import Layers
    from lamina.oci.digest import ImageID


class StoredLayer(NamedTuple):
    """One layer; `open` gives its blob, which is verified as it is read."""

    diff_id: DiffID
    digest: Digest
    size: int
    media_type: str
    open: Callable[[], BinaryIO]


class StoredImage(NamedTuple):
    """One image of the store."""

    manifest_bytes: bytes
    config_bytes: bytes
    layers: tuple[StoredLayer, ...]


def image_view(ctx: Layers, image_id: ImageID) -> StoredImage:
    """The image with the manifest that it has in the store. NotFound, Corrupt."""
    row = imagedb.need_image(ctx.db.read(), image_id)
    data = ctx.blobs.read(row.manifest)
    config = read_config(ctx, image_id)
    descriptors = manifests.parse_manifest(data).layers
    diff_ids = configs.parse(config).diff_ids
    if len(descriptors) != len(diff_ids):
        raise Corrupt(f"image {image_id}: its manifest and its config have different layers")
    layers = [_as_described(ctx, *each) for each in zip(descriptors, diff_ids, strict=True)]
    return StoredImage(data, config, tuple(layers))


def plain_view(ctx: Layers, image_id: ImageID) -> StoredImage:
    """The image with its layers uncompressed, and a manifest that says so. NotFound, Corrupt."""
    return _rebuilt(ctx, image_id, lambda diff: _plain(ctx, diff))


def gzip_view(ctx: Layers, image_id: ImageID, spools: Spools) -> StoredImage:
    """The image with its layers compressed, good as long as `spools`. NotFound, Corrupt, NoSpace."""
    return _rebuilt(ctx, image_id, lambda diff: _compressed(ctx, spools, diff))


def read_config(ctx: Layers, image_id: ImageID) -> bytes:
    """The config blob of an image."""
    return ctx.blobs.read(Digest(image_id), configs.MAX_SIZE)


def _rebuilt(ctx: Layers, image_id: ImageID, form: Callable[[Diff], StoredLayer]) -> StoredImage:
    imagedb.need_image(ctx.db.read(), image_id)
    config = read_config(ctx, image_id)
    diffs = [layerdb.need_diff(ctx.db.read(), diff_id) for diff_id in configs.parse(config).diff_ids]
    made = {diff.diff_id: form(diff) for diff in dict.fromkeys(diffs)}
    layers = tuple([made[diff.diff_id] for diff in diffs])
    descriptors = [Descriptor(layer.media_type, layer.digest, layer.size) for layer in layers]
    manifest = Manifest(Descriptor(media.CONFIG, sha256(config), len(config)), tuple(descriptors))
    return StoredImage(manifest.to_bytes(), config, layers)


def _as_described(ctx: Layers, descriptor: Descriptor, diff_id: DiffID) -> StoredLayer:
    digest = descriptor.digest
    if digest == Digest(diff_id):
        return _layer(diff_id, descriptor, lambda: open_packed(ctx, diff_id))
    return _layer(diff_id, descriptor, lambda: ctx.blobs.open(digest))


def _plain(ctx: Layers, diff: Diff) -> StoredLayer:
    descriptor = Descriptor(media.LAYER, Digest(diff.diff_id), diff.tar_size)
    return _layer(diff.diff_id, descriptor, lambda: open_packed(ctx, diff.diff_id))


def _compressed(ctx: Layers, spools: Spools, diff: Diff) -> StoredLayer:
    """What came compressed stays as it is: other bytes would be another blob to every registry."""
    blob = diff.blob
    if blob is not None and media.compression(diff.media_type):
        descriptor = Descriptor(diff.media_type, blob, ctx.blobs.size(blob))
        return _layer(diff.diff_id, descriptor, lambda: ctx.blobs.open(blob))
    digest, size = hashlib.sha256(), 0

    def fill(write: Callable[[bytes], object]) -> None:
        def take(data: bytes) -> None:
            nonlocal size
            digest.update(data)
            size += len(data)
            write(data)

        compressor = GzipWriter(take)
        pack(ctx, diff.diff_id, compressor.write)
        compressor.finish()

    opener = spools.add(fill)
    descriptor = Descriptor(media.LAYER_GZIP, Digest("sha256:" + digest.hexdigest()), size)
    return _layer(diff.diff_id, descriptor, opener)


def _layer(diff_id: DiffID, descriptor: Descriptor, opener: Callable[[], BinaryIO]) -> StoredLayer:
    return StoredLayer(diff_id, descriptor.digest, descriptor.size, descriptor.media_type, opener)
