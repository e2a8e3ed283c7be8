"""validate: recomputes every digest of an image from its bytes and compares. The oracle of most tests."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol

from lamina.errors import Corrupt, InvalidInput, Unsupported
from lamina.oci import config as configs
from lamina.oci import manifest as manifests
from lamina.oci import media
from lamina.oci.digest import sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from lamina.oci.config import ImageConfig
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.image import Image, Layer
    from lamina.oci.manifest import Manifest

_CHUNK = 1 << 20
_SUBJECT = "vnd.docker.reference.digest"  # annotation of an attestation: the manifest that it is of
_MAGIC = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}


class Readable(Protocol):
    """Anything with `read`."""

    def read(self, n: int = -1, /) -> bytes:
        """At most `n` bytes; b"" at the end."""
        ...


def validate(image: Image, *, decompress: Callable[[BinaryIO, str], Readable] | None = None) -> None:
    """Checks an image from its bytes. Corrupt, naming the first difference, when something does not fit.

    Checked are: the manifest and the config as documents, the config's digest and size, each blob's
    digest, size and packing, each diff ID, the number of layers in manifest, config and history, and
    the platform. `decompress(blob, media_type)` gives the tar; by default plain tar and gzip are known.
    """
    try:
        manifest = manifests.parse_manifest(image.manifest_bytes)
        config = configs.parse(image.config_bytes)
    except InvalidInput as e:
        raise Corrupt(e.message) from None
    _check_config(image, manifest, config)
    _check_counts(image, manifest, config)
    for number, layer in enumerate(image.layers):
        what = f"layer {number}"
        _expect(layer.diff_id, config.diff_ids[number], f"{what}: diff ID against the config's")
        _check_descriptor(layer, manifest.layers[number], what)
        _check_blob(layer, what)
        _check_diff_id(layer, what, decompress or plain_or_gzip)


def validate_index(
    data: bytes, images: Sequence[Image], *, decompress: Callable[[BinaryIO, str], Readable] | None = None
) -> None:
    """Checks an index and every image of it that there is. Corrupt when something does not fit.

    Each image must be named, with its size, its type and its config's platform; an attestation must be of a
    manifest that is named, and for the platform unknown/unknown, so that nobody runs it.
    """
    try:
        index = manifests.parse_index(data)
    except InvalidInput as e:
        raise Corrupt(e.message) from None
    named = {descriptor.digest: descriptor for descriptor in index.manifests}
    _expect(len(named), len(index.manifests), "index: number of manifests without repetition")
    for image in images:
        digest = sha256(image.manifest_bytes)
        if digest not in named:
            raise Corrupt(f"index: it does not name the manifest {digest}")
        _check_member(image, named[digest])
        validate(image, decompress=decompress)
    for descriptor in index.manifests:
        subject = descriptor.annotations.get(_SUBJECT)
        if subject is not None:
            if subject not in named:
                raise Corrupt(f"index: an attestation is of {subject}, which it does not name")
            _expect(str(descriptor.platform), "unknown/unknown", "index: platform of an attestation")


def _check_member(image: Image, descriptor: Descriptor) -> None:
    manifest = manifests.parse_manifest(image.manifest_bytes)
    _expect(len(image.manifest_bytes), descriptor.size, "manifest: size against the index's")
    if manifest.media_type:
        _expect(manifest.media_type, descriptor.media_type, "manifest: media type against the index's")
    if descriptor.platform is None:
        raise Corrupt(f"index: {descriptor.digest} has no platform")
    own = configs.parse(image.config_bytes).platform
    if not own.runs(descriptor.platform):
        raise Corrupt(f"index: {descriptor.digest} is said to be for {descriptor.platform}, and is for {own}")


def plain_or_gzip(blob: BinaryIO, media_type: str) -> Readable:
    """The tar in a blob that is not packed or packed with gzip. Unsupported for others."""
    packing = media.compression(media_type)
    if packing == "":
        return blob
    if packing == "gzip":
        return _Gunzip(blob)
    raise Unsupported(f"layers of type {media_type!r} cannot be unpacked here")


def _check_config(image: Image, manifest: Manifest, config: ImageConfig) -> None:
    data = image.config_bytes
    _expect(sha256(data), manifest.config.digest, "config: digest against the manifest's")
    _expect(len(data), manifest.config.size, "config: size against the manifest's")
    if manifest.config.media_type not in media.CONFIGS:
        raise Corrupt(f"config: {manifest.config.media_type!r} is not the media type of an image config")
    _expect(config.rootfs.type, "layers", "config: type of rootfs")
    if not config.os or not config.architecture:
        raise Corrupt("config: it names no platform")


def _check_counts(image: Image, manifest: Manifest, config: ImageConfig) -> None:
    _expect(len(image.layers), len(manifest.layers), "number of layers against the manifest's")
    _expect(
        len(config.diff_ids), len(manifest.layers), "config: number of diff IDs against the manifest's layers"
    )
    if config.history:  # it may be absent
        filled = sum(not item.empty_layer for item in config.history)
        _expect(filled, len(config.diff_ids), "history: number of entries with a layer against the diff IDs")


def _check_descriptor(layer: Layer, descriptor: Descriptor, what: str) -> None:
    _expect(layer.digest, descriptor.digest, f"{what}: digest against the manifest's")
    _expect(layer.size, descriptor.size, f"{what}: size against the manifest's")
    _expect(layer.media_type, descriptor.media_type, f"{what}: media type against the manifest's")


def _check_blob(layer: Layer, what: str) -> None:
    """Size and digest of the blob, and whether it begins as its media type says."""
    packing = media.compression(layer.media_type)
    if packing is None:
        raise Corrupt(f"{what}: {layer.media_type!r} is not the media type of a layer")
    hasher, size = hashlib.sha256(), 0
    with layer.open() as blob:
        while chunk := blob.read(_CHUNK):
            if not size:
                looks = next((name for name, magic in _MAGIC.items() if chunk.startswith(magic)), "")
                _expect(
                    looks or "tar", packing or "tar", f"{what}: packing of the bytes against the media type's"
                )
            hasher.update(chunk)
            size += len(chunk)
    _expect(size, layer.size, f"{what}: size of the bytes against the descriptor's")
    _expect(
        "sha256:" + hasher.hexdigest(), layer.digest, f"{what}: digest of the bytes against the descriptor's"
    )


def _check_diff_id(layer: Layer, what: str, decompress: Callable[[BinaryIO, str], Readable]) -> None:
    hasher = hashlib.sha256()
    with layer.open() as blob:
        tar = decompress(blob, layer.media_type)
        while chunk := tar.read(_CHUNK):
            hasher.update(chunk)
    _expect(
        "sha256:" + hasher.hexdigest(),
        layer.diff_id,
        f"{what}: digest of the unpacked bytes against the diff ID",
    )


def _expect(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise Corrupt(f"{what}: {found} is not {wanted}")


class _Gunzip:
    """What a gzip stream of one or more members unpacks to."""

    def __init__(self, blob: BinaryIO) -> None:
        import zlib  # only tests and checks come here

        self._blob = blob
        self._zlib = zlib
        self._member = zlib.decompressobj(31)  # 31: with a gzip header
        self._left = b""

    def read(self, n: int = -1, /) -> bytes:
        """Some bytes, at most `n` of them; b"" at the end. Corrupt when the stream is broken."""
        most = n if n > 0 else _CHUNK
        out = b""
        while not out:
            self._left = self._left or self._blob.read(_CHUNK)
            if self._member.eof:
                if not self._left:
                    return b""
                self._member = self._zlib.decompressobj(31)
            elif not self._left:
                raise Corrupt("the gzip stream is cut short")
            try:
                out = self._member.decompress(self._left, most)
            except self._zlib.error as e:
                raise Corrupt(f"the gzip stream is broken: {e}") from None
            self._left = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        return out
