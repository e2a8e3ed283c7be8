"""Indexes: several images, and what is attested of them, under one digest and one name.

An index is made of parts: a part is an image with the manifest that it has there (`part_of`). The
attestations of parts (transfer.attest) come after all parts. `register_index` makes the names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb, indexdb, leases
from lamina.db.indexdb import IndexRow, Member
from lamina.layers.clock import now
from lamina.oci import config as configs
from lamina.oci import manifest as manifests
from lamina.oci import media
from lamina.oci import reference as references
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import sha256
from lamina.oci.manifest import Index
from lamina.transfer.image_view import StoredBlob, StoredImage, image_view, read_config

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lamina.layers.context import Layers
    from lamina.oci.digest import Digest, ImageID
    from lamina.oci.platform import Platform


class Part(NamedTuple):
    """An image of an index, and the descriptor of the manifest that it has there, with its platform."""

    image_id: ImageID
    descriptor: Descriptor


class StoredIndex(NamedTuple):
    """An index of the store and all that it names; `others` are the blobs that are no image's."""

    data: bytes
    images: tuple[StoredImage, ...]
    others: Mapping[Digest, StoredBlob]


def part_of(
    ctx: Layers,
    image_id: ImageID,
    annotations: Mapping[str, str] | None = None,
    descriptor_annotations: Mapping[str, str] | None = None,
) -> Part:
    """An image of the store as a part: with its own manifest, or with one that has these annotations.

    The manifest is in the store afterwards. NotFound, Corrupt, NoSpace.
    """
    row = imagedb.need_image(ctx.db.read(), image_id)
    data = ctx.blobs.read(row.manifest)
    manifest = manifests.parse_manifest(data)
    if annotations:
        manifest = manifest._replace(annotations={**manifest.annotations, **annotations})
        data = manifest.to_bytes()
    return described(ctx, image_id, data, descriptor_annotations)


def described(
    ctx: Layers, image_id: ImageID, manifest: bytes, annotations: Mapping[str, str] | None = None
) -> Part:
    """The part of an image with this manifest, whose blobs are in the store; so is it, afterwards."""
    digest = ctx.blobs.put(manifest)
    media_type = manifests.parse_manifest(manifest).media_type or media.MANIFEST
    platform = configs.parse(read_config(ctx, image_id)).platform
    made = Descriptor(media_type, digest, len(manifest), annotations or {}, platform)
    return Part(image_id, made)


def make_index(
    parts: Sequence[Part],
    attestations: Sequence[Descriptor] = (),
    annotations: Mapping[str, str] | None = None,
    *,
    oci: bool = True,
) -> bytes:
    """The document of an index, as BuildKit lays it out: the images, then what is attested of them."""
    listed = (*[part.descriptor for part in parts], *attestations)
    media_type = media.INDEX if oci else media.DOCKER_INDEX
    return Index(listed, media_type, annotations or {}).to_bytes()


def register_index(
    ctx: Layers, document: bytes, parts: Sequence[Part], tags: Sequence[str], host: Platform
) -> IndexRow:
    """Stores an index, or a manifest that is not its image's own, and gives it its names.

    Every image of `parts` is registered. Of an index some images may be missing, with all that is theirs;
    those that were there before stay. A tag shows the image for `host`, else the first.
    NotFound when an image was removed meanwhile; NoSpace.
    """
    names = [str(references.parse_tagged(tag)) for tag in tags]
    c = ctx.db.read()
    digest = sha256(document)
    known = indexdb.get_index(c, digest)
    members = [Member(part.image_id, part.descriptor.digest) for part in parts]
    if (
        known is not None
        and ctx.blobs.has(digest)
        and set(members) <= set(indexdb.members(c, digest))
        and all(imagedb.is_tagged(c, name, known.image_id, digest) for name in names)
    ):
        return known
    ctx.blobs.put(document)
    row = IndexRow(digest, _shown(parts, host), known.added if known else now())
    with ctx.db.write() as tx:
        for member in members:
            imagedb.need_image(tx, member.image_id)
            leases.hold(tx, ctx.lease.id, leases.IMAGE, member.image_id)
        leases.hold(tx, ctx.lease.id, leases.BLOB, digest)
        indexdb.put_index(tx, row, members)
        for name in names:
            imagedb.put_tag(tx, name, row.image_id, digest)
    return row


def _shown(parts: Sequence[Part], host: Platform) -> ImageID:
    ours = [part for part in parts if part.descriptor.platform and part.descriptor.platform.runs(host)]
    return (ours or parts)[0].image_id


def index_view(ctx: Layers, digest: Digest) -> StoredIndex:
    """An index of the store with everything in it. NotFound, Corrupt."""
    data = ctx.blobs.read(digest)
    members = indexdb.members(ctx.db.read(), digest)
    images = tuple([image_view(ctx, member.image_id, member.manifest) for member in members])
    if not is_index(data):
        return StoredIndex(data, images, {})
    return StoredIndex(data, images, gather(ctx, data, [member.manifest for member in members]))


def gather(ctx: Layers, index: bytes, manifests_of_images: Iterable[Digest]) -> dict[Digest, StoredBlob]:
    """The blobs of the store that an index names, and what those name, beside its images."""
    others: dict[Digest, StoredBlob] = {}
    _gather(ctx, manifests.parse_index(index), set(manifests_of_images), others)
    return others


def is_index(document: bytes) -> bool:
    """Whether this is an image index and not the manifest of one image."""
    return isinstance(manifests.parse(document), Index)


def _gather(ctx: Layers, index: Index, images: set[Digest], others: dict[Digest, StoredBlob]) -> None:
    """Finds the blobs that an index names beside its images, and what those name.

    Of what was pulled for one platform there is no more than that: a manifest of which something is missing
    is left out.
    """
    for descriptor in index.manifests:
        if descriptor.digest in images or not ctx.blobs.has(descriptor.digest):
            continue
        document = manifests.parse(ctx.blobs.read(descriptor.digest), descriptor.media_type)
        if isinstance(document, Index):
            _add(ctx, descriptor, others)
            _gather(ctx, document, images, others)
            continue
        parts = (document.config, *document.layers)
        if all(ctx.blobs.has(part.digest) for part in parts):
            for part in (descriptor, *parts):
                _add(ctx, part, others)


def _add(ctx: Layers, descriptor: Descriptor, others: dict[Digest, StoredBlob]) -> None:
    digest = descriptor.digest
    others[digest] = StoredBlob(digest, ctx.blobs.size(digest), lambda: ctx.blobs.open(digest))
