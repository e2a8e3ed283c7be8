"""pull: an image of a registry into the store: its manifest, the blobs that are missing, a name for it.

What was fetched is verified before it has a name in the store, so that what an interrupted pull has brought
is there for the next one, and nothing else is.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from lamina.db import imagedb, leases
from lamina.db.indexdb import members
from lamina.errors import Corrupt, InvalidInput, Unsupported
from lamina.events import Notice, Progress, ignore
from lamina.fetch.stopping import NeverStops, Stop
from lamina.layers.apply import apply_layer
from lamina.layers.commit import reuse_diff
from lamina.oci import config as configs
from lamina.oci import manifest as manifests
from lamina.oci import media
from lamina.oci import platform as platforms
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index
from lamina.registry.failures import check_online
from lamina.registry.repository import Repository
from lamina.store.blobs import CHUNK
from lamina.transfer.downloads import Downloads
from lamina.transfer.index import Part, register_index
from lamina.transfer.pullable import check, check_platform, choose, config_of
from lamina.transfer.register import register_image

if TYPE_CHECKING:
    from lamina.db.imagedb import ImageRow
    from lamina.events import Observer
    from lamina.fetch.stopping import Stopper
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID, ImageID
    from lamina.oci.manifest import Manifest
    from lamina.oci.platform import Platform
    from lamina.oci.reference import Reference
    from lamina.registry.settings import Settings

_MAX_NESTING = 3


class Pulled(NamedTuple):
    """What a reference stands for: `digest` is that of the index, else of the manifest, in the registry.

    `is_new`: the name stood for something else before, or for nothing.
    """

    reference: Reference
    image_id: ImageID
    digest: Digest
    is_new: bool


def pull(
    ctx: Layers,
    reference: Reference,
    settings: Settings,
    platform: Platform | None = None,
    *,
    strict: bool = False,
    stopper: Stopper | None = None,
    observer: Observer = ignore,
) -> Pulled:
    """Brings the image for `platform`, this machine's if not given, and names it.

    An index is kept as a whole, with the images of it that were asked for. What is no index is taken for
    whatever platform it is, unless it is `strict`. What the store has is not fetched.
    NotFound, Denied, FetchFailed; Corrupt for what is not what its digest or size says; InvalidInput,
    Unsupported for what is no image; NoSpace, Cancelled. After an error the store knows no new image.
    """
    check_online(reference, settings)
    stop = Stop(stopper or NeverStops())
    with Repository(reference, settings, stop) as repository:
        return _Pull(ctx, repository, platform, strict, stop, observer).run()


def resolve(reference: Reference, settings: Settings, stopper: Stopper | None = None) -> Digest:
    """The digest of what a reference means in its registry now. NotFound, Denied, FetchFailed."""
    check_online(reference, settings)
    with Repository(reference, settings, stopper) as repository:
        return repository.resolve()


class _Pull:
    """One pull on its way."""

    def __init__(
        self,
        ctx: Layers,
        repository: Repository,
        platform: Platform | None,
        strict: bool,
        stop: Stop,
        observer: Observer,
    ) -> None:
        self._ctx = ctx
        self._repository = repository
        self._reference = repository.reference
        self._shown = repository.reference.familiar()
        self._host = platforms.host(os.uname().machine)
        self._wanted = platform or self._host
        self._strict = strict
        self._stop = stop
        self._tell = observer

    def run(self) -> Pulled:
        reference = self._reference
        digest = self._repository.resolve()
        tags = [] if reference.digest is not None else [str(reference)]
        before = imagedb.find_tag(self._ctx.db.read(), tags[0]) if tags else None
        data, document = self._document(digest)
        if isinstance(document, Index):
            row = self._index(digest, data, document, tags)
        else:
            row = self._image(digest, data, document, self._wanted if self._strict else None)
            row = self._named(row, digest, data, tags)
        after = imagedb.find_tag(self._ctx.db.read(), tags[0]) if tags else None
        return Pulled(reference, row.image_id, digest, after is None or before != after)

    # --- manifests

    def _document(self, digest: Digest, media_type: str = "") -> tuple[bytes, Manifest | Index]:
        """A manifest or an index, of the store or of the registry; it is in the store afterwards."""
        ctx = self._ctx
        with ctx.db.write(durable=False) as tx:
            leases.hold(tx, ctx.lease.id, leases.BLOB, digest)
        data = b""
        if ctx.blobs.touch(digest) and self._is_sound(digest):
            data = ctx.blobs.read(digest)
        if not data:
            found = self._repository.document(digest)
            data, media_type = found.data, found.media_type or media_type
        try:
            parsed = manifests.parse(data, media_type)
        except InvalidInput as error:
            raise InvalidInput(f"manifest of {self._shown}: {error.message}", hint=error.hint) from None
        ctx.blobs.put(data, digest)
        return data, parsed

    def _index(self, digest: Digest, data: bytes, index: Index, tags: list[str]) -> ImageRow:
        """The image for the platform, and the index with those of its images that the store has."""
        ctx = self._ctx
        descriptor = choose(index, self._wanted, self._shown)
        _, document = self._document(descriptor.digest, descriptor.media_type)
        inner = descriptor
        for _ in range(_MAX_NESTING):
            if not isinstance(document, Index):
                break
            inner = choose(document, self._wanted, self._shown)
            _, document = self._document(inner.digest, inner.media_type)
        else:
            raise Unsupported(f"manifest of {self._shown}: an index in an index in an index")
        assert not isinstance(document, Index)
        row = self._image(inner.digest, ctx.blobs.read(inner.digest), document)
        have = {member.manifest: member.image_id for member in members(ctx.db.read(), digest)}
        have[inner.digest] = row.image_id
        parts = [Part(have.pop(each.digest), each) for each in index.manifests if each.digest in have]
        if inner.digest in have:  # it stands in an index within
            parts.append(Part(row.image_id, inner))
        register_index(ctx, data, parts, tags, self._host)
        return row

    # --- images

    def _image(
        self, digest: Digest, data: bytes, manifest: Manifest, platform: Platform | None = None
    ) -> ImageRow:
        """One image, with all of its layers; it has no name yet. NotFound when it is not for `platform`."""
        ctx = self._ctx
        check(manifest, self._shown)
        blobs = [manifest.config, *manifest.layers]
        with ctx.db.write(durable=False) as tx:
            leases.hold(tx, ctx.lease.id, leases.BLOB, digest, *[each.digest for each in blobs])
        if ctx.blobs.touch(manifest.config.digest):
            self._is_sound(manifest.config.digest)
        self._repository_blob(manifest.config)
        config_bytes = ctx.blobs.read(manifest.config.digest, configs.MAX_SIZE)
        config = config_of(config_bytes, manifest, self._shown)
        if platform is not None:
            check_platform(config.platform, platform, self._shown)
        self._layers(manifest.layers, config.diff_ids)
        return register_image(ctx, config_bytes, config.diff_ids, manifest=data)

    def _named(self, row: ImageRow, digest: Digest, data: bytes, tags: list[str]) -> ImageRow:
        """The names stand for the manifest as it was pulled, also where the image had another one before."""
        ctx = self._ctx
        if row.manifest != digest:
            media_type = manifests.parse_manifest(data).media_type or media.MANIFEST
            own = platforms.Platform(row.os, row.architecture, row.variant)
            made = Descriptor(media_type, digest, len(data), platform=own)
            register_index(ctx, data, [Part(row.image_id, made)], tags, self._host)
            return row
        with ctx.db.write() as tx:
            imagedb.need_image(tx, row.image_id)
            for tag in tags:
                if not imagedb.is_tagged(tx, tag, row.image_id):
                    imagedb.put_tag(tx, tag, row.image_id)
        return row

    # --- blobs

    def _layers(self, layers: tuple[Descriptor, ...], diff_ids: tuple[DiffID, ...]) -> None:
        """Every layer, unpacked in order while those above it still come."""
        pairs = list(zip(layers, diff_ids, strict=True))
        todo = [layer for layer, diff_id in pairs if not self._has(layer, diff_id)]
        missing = {layer.digest for layer in todo}
        for layer in layers if todo else ():
            state = "Pulling fs layer" if layer.digest in missing else "Already exists"
            self._tell(Notice(f"{_short(layer.digest)}: {state}"))
        with Downloads(todo, self._repository_blob, self._stop) as downloads:
            for layer, diff_id in pairs:
                if layer.digest in missing:
                    downloads.wait(layer.digest)
                self._unpack(layer, diff_id)
                if layer.digest in missing:
                    missing.discard(layer.digest)
                    self._tell(Notice(f"{_short(layer.digest)}: Pull complete"))

    def _has(self, layer: Descriptor, diff_id: DiffID) -> bool:
        """Whether the blob is there, or can be made: an uncompressed layer is what we pack ourselves."""
        if self._ctx.blobs.touch(layer.digest):
            return True
        return layer.digest == Digest(diff_id) and reuse_diff(self._ctx, diff_id) is not None

    def _repository_blob(self, descriptor: Descriptor) -> None:
        name = _short(descriptor.digest)
        self._repository.blob(
            descriptor, self._ctx.blobs, lambda done, total: self._tell(Progress(name, done, total))
        )

    def _unpack(self, layer: Descriptor, diff_id: DiffID) -> None:
        ctx = self._ctx
        if reuse_diff(ctx, diff_id) is not None:
            return
        try:
            try:
                self._apply(layer, diff_id)
            except (Corrupt, InvalidInput):
                if self._is_sound(layer.digest):
                    raise
                self._repository_blob(layer)
                self._apply(layer, diff_id)
        except (Corrupt, InvalidInput) as error:
            message = f"layer {_short(layer.digest)} of {self._shown}: {error.message}"
            raise type(error)(message, hint=error.hint) from None

    def _apply(self, layer: Descriptor, diff_id: DiffID) -> None:
        # What is read is checked against the digest once more.
        with cast("BinaryIO", open(self._ctx.blobs.path(layer.digest), "rb", buffering=0)) as stream:
            apply_layer(self._ctx, stream, diff_id=diff_id, blob=layer.digest, media_type=layer.media_type)

    def _is_sound(self, digest: Digest) -> bool:
        """Whether the bytes of a blob that is there are its digest's; one that rotted goes, to come anew."""
        try:
            with self._ctx.blobs.open(digest) as stream:
                while stream.read(CHUNK):
                    pass
        except Corrupt:
            self._ctx.blobs.delete(digest)
            return False
        return True


def _short(digest: str) -> str:
    return digest.partition(":")[2][:12]
