"""image_view: an image of the store as other rooms and tools see it (lamina.oci.image), in three forms.

`image_view` is the image as its manifest says; `plain_view` has every layer uncompressed, as Docker keeps
them; `formed_view` is what an output of a build asks for: a layer that was not received compressed is
compressed by us, which needs a file for each.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamina.archive.compression import compressing
from lamina.db import imagedb, layerdb
from lamina.errors import Corrupt
from lamina.layers.absent import as_it_came, open_blob
from lamina.layers.pack import open_packed, pack
from lamina.oci import config as configs
from lamina.oci import manifest as manifests
from lamina.oci import media
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import DiffID, Digest, sha256
from lamina.oci.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.archive.opening import Spools
    from lamina.db.layerdb import Diff
    from lamina.layers.context import Layers
    from lamina.oci.digest import ImageID
    from lamina.transfer.form import Form


class StoredLayer(NamedTuple):
    """One layer; `open` gives its blob, which is verified as it is read."""

    diff_id: DiffID
    digest: Digest
    size: int
    media_type: str
    open: Callable[[], BinaryIO]


class StoredBlob(NamedTuple):
    """A blob that is no layer; `open` gives it, verified as it is read."""

    digest: Digest
    size: int
    open: Callable[[], BinaryIO]


class StoredImage(NamedTuple):
    """One image of the store."""

    manifest_bytes: bytes
    config_bytes: bytes
    layers: tuple[StoredLayer, ...]


def image_view(ctx: Layers, image_id: ImageID, manifest: Digest | None = None) -> StoredImage:
    """The image with the manifest that it has in the store, or this one of it. NotFound, Corrupt."""
    row = imagedb.need_image(ctx.db.read(), image_id)
    data = ctx.blobs.read(manifest or row.manifest)
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


def formed_view(
    ctx: Layers, image_id: ImageID, form: Form, annotations: Mapping[str, str], spools: Spools
) -> StoredImage:
    """The image as an output wants it, its manifest with `annotations`; good as long as `spools`.

    NotFound, Corrupt, NoSpace.
    """
    if form.compression == "":
        view = image_view(ctx, image_id)
    else:
        view = _rebuilt(ctx, image_id, lambda diff: _formed(ctx, spools, diff, form))
    manifest = manifests.parse_manifest(view.manifest_bytes)
    wanted = manifest if form.oci and form.compression == "" else _with_types(manifest, oci=form.oci)
    if annotations:
        wanted = wanted._replace(annotations={**manifest.annotations, **annotations})
    if wanted == manifest:
        return view
    pairs = zip(view.layers, wanted.layers, strict=True)
    layers = [layer._replace(media_type=each.media_type) for layer, each in pairs]
    return StoredImage(wanted.to_bytes(), view.config_bytes, tuple(layers))


def _with_types(manifest: Manifest, *, oci: bool) -> Manifest:
    def typed(descriptor: Descriptor) -> Descriptor:
        return descriptor._replace(media_type=media.converted(descriptor.media_type, oci=oci))

    media_type = media.converted(manifest.media_type or media.MANIFEST, oci=oci)
    layers = tuple([typed(layer) for layer in manifest.layers])
    return manifest._replace(media_type=media_type, config=typed(manifest.config), layers=layers)


def _formed(ctx: Layers, spools: Spools, diff: Diff, form: Form) -> StoredLayer:
    came = as_it_came(ctx, diff)
    if came is not None and media.compression(came.media_type) and not form.force:
        return _layer(diff.diff_id, came, lambda: open_blob(ctx, came))  # other bytes would be another blob
    return _plain(ctx, diff) if form.compression == "uncompressed" else _compressed(ctx, spools, diff, form)


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
    return _layer(diff_id, descriptor, lambda: open_blob(ctx, descriptor))


def _plain(ctx: Layers, diff: Diff) -> StoredLayer:
    descriptor = Descriptor(media.LAYER, Digest(diff.diff_id), diff.tar_size)
    return _layer(diff.diff_id, descriptor, lambda: open_packed(ctx, diff.diff_id))


def _compressed(ctx: Layers, spools: Spools, diff: Diff, form: Form) -> StoredLayer:
    digest, size = hashlib.sha256(), 0

    def fill(write: Callable[[bytes], object]) -> None:
        def take(data: bytes) -> None:
            nonlocal size
            digest.update(data)
            size += len(data)
            write(data)

        compressor = compressing(form.compression, form.level, take)
        pack(ctx, diff.diff_id, compressor.write)
        compressor.finish()

    opener = spools.add(fill)
    media_type = media.LAYER_ZSTD if form.compression == "zstd" else media.LAYER_GZIP
    descriptor = Descriptor(media_type, Digest("sha256:" + digest.hexdigest()), size)
    return _layer(diff.diff_id, descriptor, opener)


def _layer(diff_id: DiffID, descriptor: Descriptor, opener: Callable[[], BinaryIO]) -> StoredLayer:
    return StoredLayer(diff_id, descriptor.digest, descriptor.size, descriptor.media_type, opener)
