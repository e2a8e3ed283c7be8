"""take: a manifest that is pushed. Its blobs are there; an image is unpacked, and is one of the store then.

All that a manifest names is checked first, and its rows appear in one transaction: before it nothing has the
tag. What says it is an image must be one, down to its diff IDs; other artifacts are kept as they are.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from lamina.archive.compression import CHUNK, decompressed
from lamina.db import hosted, imagedb, indexdb, layerdb, leases, packed
from lamina.db.hosted import Hosted
from lamina.db.packed import Packed
from lamina.errors import Corrupt, Denied, InvalidInput, Unsupported
from lamina.layers.absent import bring, is_here
from lamina.layers.apply import apply_layer
from lamina.layers.commit import reuse_diff
from lamina.oci import config as configs
from lamina.oci import manifest as manifests
from lamina.oci import media
from lamina.oci import platform as platforms
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest, hex_of, sha256
from lamina.oci.manifest import Index, Manifest
from lamina.serving.failures import (
    DIGEST_INVALID,
    MANIFEST_BLOB_UNKNOWN,
    MANIFEST_INVALID,
    SIZE_INVALID,
    Failure,
)
from lamina.serving.work import working
from lamina.transfer.index import Part, register_index
from lamina.transfer.pullable import check, config_of
from lamina.transfer.register import register_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.layers.context import Layers
    from lamina.oci.config import ImageConfig
    from lamina.oci.digest import DiffID, ImageID
    from lamina.oci.platform import Platform
    from lamina.serving.routes import Repository
    from lamina.serving.shelf import Shelf

_FOREIGN = "nondistributable"
_AT_ONCE = 2  # layers that are unpacked
_LARGE = 256 << 10  # bytes of a document; those of images are much smaller
_STEP = 0.5  # seconds between two looks whether the server ends


class Taken(NamedTuple):
    """What was pushed; `image_id` is the image that a tag of it shows. `note` says why there is none."""

    digest: Digest
    subject: Digest | None
    image_id: ImageID | None
    note: str


class Taker:
    """Takes manifests into one store; threads share it. `check` raises when the server ends."""

    def __init__(self, ctx: Layers, shelf: Shelf, check: Callable[[], object]) -> None:
        self._ctx = ctx
        self._shelf = shelf
        self._check = check
        self._host = platforms.host(os.uname().machine)
        self._large = threading.Lock()
        self._change = threading.Condition()
        self._unpacking: set[DiffID] = set()

    def take(
        self, repository: Repository, data: bytes, media_type: str, tag: str, named: Digest | None
    ) -> Taken:
        """Puts a manifest into a repository; `tag` or `named`, its digest, is what it was pushed as.

        Failure for what is wrong with it; NoSpace, Conflict. Afterwards all of it is there, or nothing.
        """
        digest = sha256(data)
        if named is not None and named != digest:
            raise Failure(DIGEST_INVALID, f"the manifest's digest is {digest}", details=[named])
        with self._room(len(data)):
            return self._take(repository, data, digest, media_type, tag)

    @contextmanager
    def _room(self, size: int) -> Iterator[None]:
        """Large documents come one after the other: each takes memory for many times its size."""
        if size <= _LARGE:
            yield
            return
        while not self._large.acquire(timeout=_STEP):
            self._check()
        try:
            yield
        finally:
            self._large.release()

    def _take(self, repository: Repository, data: bytes, digest: Digest, media_type: str, tag: str) -> Taken:
        try:
            document = manifests.parse(data, media_type)
        except InvalidInput as error:
            raise Failure(MANIFEST_INVALID, error.message) from None
        with working(self._ctx) as own:
            self._hold(own, repository.name, digest, document)
            own.blobs.put(data, digest)
            image_id, note, index = None, "", None
            if isinstance(document, Manifest):
                image_id, index, note = self._image(own, data, document, repository.shown)
            else:
                image_id, index = self._index(own, data, document)
            row = _row(repository.name, digest, media_type, len(data), document)
            self._put(own, row, document, tag, image_id, index)
        return Taken(digest, document.subject.digest if document.subject else None, image_id, note)

    # --- what it names

    def _hold(self, own: Layers, repository: str, digest: Digest, document: Manifest | Index) -> None:
        """Keeps all that the document names while we work with it. Failure when something is missing."""
        named = document.manifests if isinstance(document, Index) else _blobs(document)
        digests = [each.digest for each in named]
        with own.db.write(durable=False) as tx:
            leases.hold(tx, own.lease.id, leases.BLOB, digest, *digests)
            leases.hold(tx, own.lease.id, leases.DIFF, *digests)
        for each in named:
            own.blobs.touch(each.digest)  # no sweep that has looked already takes it
        missing, wrong = [], []
        for each in named:
            if isinstance(document, Index):
                found = self._shelf.by_digest(repository, each.digest)
                size = None if found is None else len(found.data)
            else:
                blob = self._shelf.find_blob(repository, each.digest)
                size = None if blob is None else blob.size
            if size is None:
                missing.append(each.digest)
            elif size != each.size:
                wrong.append(each.digest)
        if missing:
            raise Failure(MANIFEST_BLOB_UNKNOWN, details=list(dict.fromkeys(missing)))
        if wrong:
            raise Failure(SIZE_INVALID, "the manifest gives a blob another size than it has", details=wrong)

    def _put(
        self,
        own: Layers,
        row: Hosted,
        document: Manifest | Index,
        tag: str,
        image_id: ImageID | None,
        index: Digest | None,
    ) -> None:
        repository = row.repository
        with own.db.write() as tx:
            if image_id is not None:
                imagedb.need_image(tx, image_id)
            hosted.put_manifest(tx, row)
            if isinstance(document, Manifest):
                hosted.put_blobs(tx, repository, [each.digest for each in _blobs(document)])
            if not tag:
                return
            if image_id is not None:
                hosted.delete_tag(tx, repository, tag)
                imagedb.put_tag(tx, f"{repository}:{tag}", image_id, index)
            else:
                imagedb.delete_tag(tx, f"{repository}:{tag}")
                hosted.put_tag(tx, repository, tag, row.digest)

    # --- images

    def _image(
        self, own: Layers, data: bytes, manifest: Manifest, shown: str
    ) -> tuple[ImageID | None, Digest | None, str]:
        """The image, what its tags stand for beside it, and why it is none of the store."""
        try:
            check(manifest, shown)
            config_bytes = own.blobs.read(manifest.config.digest, configs.MAX_SIZE)
            config = config_of(config_bytes, manifest, shown)
        except (InvalidInput, Unsupported) as error:
            return None, None, error.message
        try:
            for layer, diff_id in zip(manifest.layers, config.diff_ids, strict=True):
                self._unpack(own, layer, diff_id)
        except Denied as error:  # what is in it needs another user than this server's
            return None, None, error.message
        row = register_image(own, config_bytes, config.diff_ids, manifest=data)
        digest = sha256(data)
        if row.manifest == digest:
            return row.image_id, None, ""
        made = Descriptor(
            manifest.media_type or media.MANIFEST, digest, len(data), platform=_platform(config)
        )
        register_index(own, data, [Part(row.image_id, made)], (), self._host)
        return row.image_id, digest, ""

    def _unpack(self, own: Layers, layer: Descriptor, diff_id: DiffID) -> None:
        """Afterwards the layer's files are in the store, and this blob is known to be a form of it."""
        try:
            with self._turn(diff_id):
                known = reuse_diff(own, diff_id) is not None
                if known and not own.blobs.has(layer.digest):
                    bring(own, [diff_id])  # no blob came, since the repository has it: maybe elsewhere
                if not known or not is_here(own, diff_id):
                    self._apply(own, layer, diff_id)
                elif not _is_form(own, layer.digest, diff_id):
                    self._compare(own, layer, diff_id)
        except FileNotFoundError:
            raise Failure(MANIFEST_BLOB_UNKNOWN, details=[layer.digest]) from None
        except (Corrupt, InvalidInput) as error:
            raise Failure(MANIFEST_INVALID, f"layer {layer.digest}: {error.message}") from None
        with own.db.write(durable=False) as tx:
            packed.put(tx, Packed(diff_id, layer))

    @contextmanager
    def _turn(self, diff_id: DiffID) -> Iterator[None]:
        """A layer is unpacked once, whoever pushes it again meanwhile, and few are at the same time."""
        with self._change:
            while diff_id in self._unpacking or len(self._unpacking) >= _AT_ONCE:
                self._check()
                self._change.wait(_STEP)
            self._unpacking.add(diff_id)
        try:
            yield
        finally:
            with self._change:
                self._unpacking.discard(diff_id)
                self._change.notify_all()

    def _apply(self, own: Layers, layer: Descriptor, diff_id: DiffID) -> None:
        path = own.blobs.path(layer.digest)
        before = os.stat(path).st_mtime_ns
        with self._open(path) as source:
            diff = apply_layer(own, source, diff_id=diff_id, blob=layer.digest, media_type=layer.media_type)
        if diff.blob is None and layer.digest == Digest(diff_id):
            own.blobs.delete(layer.digest, before + 1)  # its files are enough to make it again

    def _compare(self, own: Layers, layer: Descriptor, diff_id: DiffID) -> None:
        """Corrupt when the blob is another layer than the config says, which is in the store already."""
        digest = hashlib.sha256()
        with self._open(own.blobs.path(layer.digest)) as source:
            plain, _ = decompressed(source, seen=digest.update)
            while plain.read(CHUNK):
                pass
        if digest.hexdigest() != hex_of(diff_id):
            raise Corrupt(f"a layer's archive is sha256:{digest.hexdigest()}, and should be {diff_id}")

    @contextmanager
    def _open(self, path: str) -> Iterator[BinaryIO]:
        """A blob, which is read until the server ends."""
        with cast("BinaryIO", open(path, "rb", buffering=0)) as file:
            yield cast("BinaryIO", _Checked(file, self._check))

    def _index(self, own: Layers, data: bytes, index: Index) -> tuple[ImageID | None, Digest | None]:
        """The image that a tag of an index shows, and the index; None when no image of the store is in it."""
        parts = self._parts(own, index)
        if not parts:
            return None, None
        row = register_index(own, data, parts, (), self._host)
        return row.image_id, row.digest

    def _parts(
        self, own: Layers, index: Index, depth: int = 3, among: set[Digest] | None = None
    ) -> list[Part]:
        """The images that are named, in inner indexes too: each of those is read once."""
        found: list[Part] = []
        seen = set() if among is None else among
        c = own.db.read()
        for each in index.manifests:
            image_id = indexdb.find_manifest(c, each.digest)
            if image_id is not None:
                found.append(Part(image_id, each))
            elif depth and each.media_type in media.INDEXES and each.digest not in seen:
                seen.add(each.digest)
                inner = manifests.parse(own.blobs.read(each.digest), each.media_type)
                found += self._parts(own, inner, depth - 1, seen) if isinstance(inner, Index) else []
        return found


class _Checked:
    """A file that is read until `check` raises."""

    def __init__(self, file: BinaryIO, check: Callable[[], object]) -> None:
        self._file = file
        self._check = check

    def read(self, size: int = -1) -> bytes:
        self._check()
        return self._file.read(size)


def _is_form(own: Layers, blob: Digest, diff_id: DiffID) -> bool:
    """Whether the blob is known to unpack to this layer."""
    c = own.db.read()
    if blob == Digest(diff_id) or layerdb.need_diff(c, diff_id).blob == blob:
        return True
    return any(each.descriptor.digest == blob for each in packed.forms(c, diff_id))


def _blobs(manifest: Manifest) -> list[Descriptor]:
    """The blobs that must be here: what may not be distributed lies elsewhere."""
    return [
        each for each in (manifest.config, *manifest.layers) if not (each.urls or _FOREIGN in each.media_type)
    ]


def _row(repository: str, digest: Digest, media_type: str, size: int, document: Manifest | Index) -> Hosted:
    own = document.media_type or media_type
    if not own:
        own = media.INDEX if isinstance(document, Index) else media.MANIFEST
    kind = document.artifact_type
    if not kind and isinstance(document, Manifest):
        kind = document.config.media_type
    subject = document.subject.digest if document.subject else ""
    return Hosted(repository, digest, own, size, kind, subject, document.annotations, time.time())


def _platform(config: ImageConfig) -> Platform:
    return config.platform
