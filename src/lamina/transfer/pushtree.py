"""What is to be pushed: the documents under a name of the store, and what becomes of them on the way.

A Tree is what the store has. When its layers were sent, Made writes the documents as they are to be in the
registry: the same bytes where every layer went in the form that its manifest names.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb, indexdb, names
from lamina.errors import Corrupt, InvalidInput, NotFound
from lamina.oci import config as configs
from lamina.oci import manifest as manifests
from lamina.oci import media
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest, sha256
from lamina.oci.manifest import Index, Manifest
from lamina.transfer.attest import REFERENCE_DIGEST, is_attestation, readdressed
from lamina.transfer.image_view import read_config
from lamina.transfer.registry_ends import type_of
from lamina.transfer.sending import LayerOf
from lamina.transfer.ship import named_by

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.db.names import Named
    from lamina.layers.context import Layers
    from lamina.oci.digest import ImageID
    from lamina.oci.platform import Platform
    from lamina.transfer.ends import Opener


class TreeImage(NamedTuple):
    """An image that goes, with the manifest that it has where it stands."""

    image_id: ImageID
    layers: tuple[LayerOf, ...]


class Tree:
    """What a name of the store stands for. NotFound, Corrupt where the store does not have it."""

    def __init__(self, ctx: Layers, found: Named, platform: Platform | None = None) -> None:
        """With `platform` only the image for it, with the manifest that it has in the index."""
        self._ctx = ctx
        self._members = _members(ctx, found)
        if platform is not None:
            found = names.for_platform(ctx.db.read(), found, platform)
        self.image_id = found.image_id
        self.images: dict[Digest, TreeImage] = {}
        self.parsed: dict[Digest, Manifest | Index] = {}  # all that the store has of it
        digest = found.index_digest or self._manifest_of(found.image_id)
        data = ctx.blobs.read(digest)
        self.root = Descriptor(type_of(data), digest, len(data))
        self._visit(self.root)

    @property
    def layers(self) -> list[LayerOf]:
        """The layers of all images, the top ones first, as Docker sends them."""
        return [layer for image in self.images.values() for layer in reversed(image.layers)]

    def data(self, digest: Digest) -> bytes:
        """A document as the store has it."""
        return self._ctx.blobs.read(digest)

    def _manifest_of(self, image_id: ImageID) -> Digest:
        return next(digest for digest, member in self._members.items() if member == image_id)

    def _visit(self, descriptor: Descriptor) -> None:
        digest = descriptor.digest
        if digest in self.parsed or not self._ctx.blobs.has(digest):
            return  # what is not here is had from elsewhere, or not at all
        parsed = manifests.parse(self.data(digest), descriptor.media_type)
        image_id = self._members.get(digest)
        if isinstance(parsed, Index):
            self.parsed[digest] = parsed
            for each in parsed.manifests:
                self._visit(each)
        elif image_id is not None:
            self.parsed[digest] = parsed
            self.images[digest] = TreeImage(image_id, self._layers(image_id, parsed))
        elif all(self._ctx.blobs.has(each.digest) for each in named_by(parsed)):
            self.parsed[digest] = parsed

    def _layers(self, image_id: ImageID, manifest: Manifest) -> tuple[LayerOf, ...]:
        diff_ids = configs.parse(read_config(self._ctx, image_id)).diff_ids
        if len(diff_ids) != len(manifest.layers):
            raise Corrupt(f"image {image_id}: its manifest and its config have different layers")
        return tuple([LayerOf(*each) for each in zip(diff_ids, manifest.layers, strict=True)])


class Made:
    """The documents as they are to be in the registry, the inner ones first, and the blobs beside the layers.

    `missing` are documents that the store does not have: they go from where the index came from.
    """

    def __init__(self, ctx: Layers, tree: Tree, sent: Mapping[LayerOf, Descriptor], types: str = "") -> None:
        self._ctx = ctx
        self._tree = tree
        self._sent = sent
        self._types = types
        self.documents: dict[Digest, tuple[Descriptor, bytes]] = {}
        self.blobs: dict[Digest, tuple[Descriptor, Opener]] = {}
        self.missing: list[Descriptor] = []
        self.root = self._document(tree.root)

    def _document(self, descriptor: Descriptor, moved: Mapping[Digest, Descriptor] = {}) -> Descriptor:
        """Notes what a document becomes. `moved` are those of its index that came before it."""
        parsed = self._tree.parsed.get(descriptor.digest)
        if parsed is None:
            self.missing.append(descriptor)
            return descriptor
        if isinstance(parsed, Index):
            made: Manifest | Index = self._index(parsed)
        elif descriptor.digest in self._tree.images:
            made = self._image(parsed, self._tree.images[descriptor.digest])
        else:
            made = self._beside(parsed, moved)
        data = self._tree.data(descriptor.digest) if made == parsed else made.to_bytes()
        media_type = made.media_type or descriptor.media_type
        found = descriptor._replace(media_type=media_type, digest=sha256(data), size=len(data))
        self.documents[found.digest] = (found, data)
        return found

    def _image(self, manifest: Manifest, image: TreeImage) -> Manifest:
        layers = tuple([self._sent[layer] for layer in image.layers])
        made = manifest
        if layers != manifest.layers or self._types:
            made = typed(manifest._replace(layers=layers), self._types or family(manifest, layers))
        digest = Digest(image.image_id)
        self.blobs[digest] = made.config, self._opener(digest)
        return made

    def _index(self, index: Index) -> Index:
        moved: dict[Digest, Descriptor] = {}
        for each in sorted(index.manifests, key=is_attestation):  # what they speak of comes before them
            if each.digest in moved:
                continue
            subject = Digest(each.annotations.get(REFERENCE_DIGEST, ""))
            if each.digest not in self._tree.parsed and subject in moved and moved[subject].digest != subject:
                continue  # it speaks of a manifest that is not there, and nobody here can write it anew
            moved[each.digest] = self._document(each, moved)
        listed = tuple([self._listed(each, moved) for each in index.manifests if each.digest in moved])
        made = index._replace(manifests=listed)
        if self._types or any(each.media_type == media.MANIFEST for each in listed):
            oci = self._types != "docker"
            media_type = media.converted(index.media_type or media.INDEX, oci=oci)
            made = made._replace(media_type=media_type) if made != index or self._types else index
        return made

    def _listed(self, descriptor: Descriptor, moved: Mapping[Digest, Descriptor]) -> Descriptor:
        """How the index names it now."""
        found = moved[descriptor.digest]
        subject = moved.get(Digest(descriptor.annotations.get(REFERENCE_DIGEST, "")))
        if subject is not None:
            found = found._replace(annotations={**found.annotations, REFERENCE_DIGEST: subject.digest})
        return found

    def _beside(self, manifest: Manifest, moved: Mapping[Digest, Descriptor]) -> Manifest:
        """A manifest that is no image's: an attestation; it speaks of what its image's manifest is now."""
        own: dict[Digest, bytes] = {}
        made = manifest
        for before, after in moved.items():
            if before != after.digest:
                made = readdressed(self._ctx, made, before, after, own)
        for each in named_by(made):
            self.blobs[each.digest] = each, self._opener(each.digest, own.get(each.digest))
        return made

    def _opener(self, digest: Digest, data: bytes | None = None) -> Opener:
        if data is None:
            return lambda: self._ctx.blobs.open(digest)
        return lambda: io.BytesIO(data)


def family(manifest: Manifest, layers: tuple[Descriptor, ...]) -> str:
    """Whose media types a manifest has when layers go in another form: those that it had, if they can."""
    if manifest.media_type != media.DOCKER_MANIFEST:
        return "oci"
    return "oci" if any(media.compression(each.media_type) == "zstd" for each in layers) else "docker"


def typed(manifest: Manifest, types: str) -> Manifest:
    """The manifest with the media types of "oci" or "docker" for itself, its config and its layers.

    InvalidInput for a layer that has no type there.
    """
    oci = types == "oci"
    if not oci and any(media.compression(each.media_type) == "zstd" for each in manifest.layers):
        raise InvalidInput(
            "a layer is compressed with zstd, and Docker's media types have no name for that",
            hint="--compression gzip --force-compression",
        )

    def of(descriptor: Descriptor) -> Descriptor:
        return descriptor._replace(media_type=media.converted(descriptor.media_type, oci=oci))

    return manifest._replace(
        media_type=media.converted(manifest.media_type or media.MANIFEST, oci=oci),
        config=of(manifest.config),
        layers=tuple([of(layer) for layer in manifest.layers]),
    )


def _members(ctx: Layers, found: Named) -> dict[Digest, ImageID]:
    """The images under a name, by the digest of the manifest that each has there."""
    c = ctx.db.read()
    if found.index_digest is not None:
        members = {each.manifest: each.image_id for each in indexdb.members(c, found.index_digest)}
        if members:
            return members
    row = imagedb.need_image(c, found.image_id)
    if not ctx.blobs.has(row.manifest):
        raise NotFound(f"the manifest of image {found.image_id} is not in the store")
    return {row.manifest: found.image_id}
