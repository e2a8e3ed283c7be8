"""register_image: config and layers become an image that has a name.

A fully cached build ends here, so the way for an image that is known already is short and writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import imagedb, layerdb, leases, packed
from lamina.db.imagedb import ImageRow
from lamina.errors import InvalidInput, NotFound
from lamina.layers.absent import as_it_came
from lamina.layers.clock import now
from lamina.layers.commit import stack
from lamina.oci import config as configs
from lamina.oci import media
from lamina.oci import reference as references
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest, ImageID, sha256
from lamina.oci.manifest import Manifest, parse_manifest

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from lamina.db.layerdb import Diff
    from lamina.layers.context import Layers
    from lamina.oci.config import History, ImageConfig
    from lamina.oci.digest import ChainID, DiffID


def register_image(
    ctx: Layers,
    config: ImageConfig | bytes,
    diff_ids: Sequence[DiffID],
    tags: Sequence[str] = (),
    *,
    manifest: bytes | None = None,
) -> ImageRow:
    """Stores the config and a manifest, and relates them with layers (bottom first) that are in the store.

    Layer rows that the stack lacks are added, with created_by and created from the config's history.
    `tags` are names, with `latest` where they have no tag; each moves to this image. `manifest` is kept as it
    is instead of a new one, when every blob that it names is in the store, or known to be elsewhere.
    InvalidInput when the config has other layers than `diff_ids`; NotFound when one is not in the store.
    """
    data = config if isinstance(config, bytes) else config.to_bytes()
    image_id = ImageID(sha256(data))
    names = [str(references.parse_tagged(tag)) for tag in tags]
    found = _known(ctx, image_id, names)
    if found is not None:
        return found
    parsed = configs.parse(data) if isinstance(config, bytes) else config
    if tuple(diff_ids) != parsed.diff_ids:
        raise InvalidInput(f"image {image_id} has other layers than those given")
    diffs = [layerdb.need_diff(ctx.db.read(), diff_id) for diff_id in diff_ids]
    if manifest is None or not _complete(ctx, manifest, diffs):
        manifest = make_manifest(ctx, data, diffs).to_bytes()
    ctx.blobs.put(data)
    row = _row(image_id, parsed, diffs, ctx.blobs.put(manifest))
    with ctx.db.write() as c:
        row = imagedb.put_image(c, row, _stacked(ctx, c, diffs, parsed))
        leases.hold(c, ctx.lease.id, leases.IMAGE, image_id)
        for name in names:
            imagedb.put_tag(c, name, image_id)
    return row


def make_manifest(ctx: Layers, config: bytes, diffs: Sequence[Diff]) -> Manifest:
    """The OCI manifest of an image: layers as they were received, or as plain tars."""
    layers = [_descriptor(ctx, diff) for diff in diffs]
    return Manifest(Descriptor(media.CONFIG, sha256(config), len(config)), tuple(layers))


def _known(ctx: Layers, image_id: ImageID, names: Sequence[str]) -> ImageRow | None:
    """The row of an image that is in the store; it gets the names that it lacks."""
    row = imagedb.get_image(ctx.db.read(), image_id)
    if row is None or not (ctx.blobs.has(row.manifest) and ctx.blobs.has(Digest(image_id))):
        return None
    if all(imagedb.is_tagged(ctx.db.read(), name, image_id) for name in names):
        return row
    with ctx.db.write() as c:
        if imagedb.get_image(c, image_id) is None:  # removed meanwhile
            return None
        for name in names:
            imagedb.put_tag(c, name, image_id)
    return row


def _stacked(ctx: Layers, c: sqlite3.Connection, diffs: Sequence[Diff], config: ImageConfig) -> list[ChainID]:
    """The chain IDs of the layers, bottom first; each has its row afterwards."""
    chain: list[ChainID] = []
    for diff, line in zip(diffs, _history(config, len(diffs)), strict=True):
        if layerdb.get_diff(c, diff.diff_id) is None:
            raise NotFound(f"layer {diff.diff_id} was removed meanwhile", hint="run the command again")
        below = chain[-1] if chain else None
        chain.append(stack(c, ctx, below, diff, line.created_by, line.created).chain_id)
    return chain


def _history(config: ImageConfig, count: int) -> Sequence[History]:
    """The lines of history that made layers; empty ones when they do not fit."""
    lines = [line for line in config.history if not line.empty_layer]
    return lines if len(lines) == count else [configs.History(created=config.created)] * count


def _descriptor(ctx: Layers, diff: Diff) -> Descriptor:
    came = as_it_came(ctx, diff)
    if came is None:
        return Descriptor(media.LAYER, Digest(diff.diff_id), diff.tar_size)
    return came._replace(media_type=media.converted(came.media_type, oci=True))


def _complete(ctx: Layers, manifest: bytes, diffs: Sequence[Diff]) -> bool:
    """Whether each layer can be had in just the form that the manifest names: here, or from elsewhere."""
    layers = parse_manifest(manifest).layers
    return len(layers) == len(diffs) and all(
        layer.digest in (Digest(diff.diff_id), diff.blob) or _is_known(ctx, diff.diff_id, layer.digest)
        for layer, diff in zip(layers, diffs, strict=True)
    )


def _is_known(ctx: Layers, diff_id: DiffID, digest: Digest) -> bool:
    c = ctx.db.read()
    known = any(form.descriptor.digest == digest for form in packed.forms(c, diff_id))
    return known and (ctx.blobs.has(digest) or bool(packed.places(c, digest)))


def _row(image_id: ImageID, config: ImageConfig, diffs: Sequence[Diff], manifest: Digest) -> ImageRow:
    return ImageRow(
        image_id=image_id,
        manifest=manifest,
        created=config.created,
        size=sum(diff.size for diff in diffs),
        os=config.os,
        architecture=config.architecture,
        variant=config.variant,
        added=now(),
    )
