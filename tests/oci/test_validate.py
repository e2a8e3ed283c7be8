"""validate finds every lie an image can tell."""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest

from lamina.errors import Corrupt, Unsupported
from lamina.oci import media
from lamina.oci.config import History, ImageConfig, RootFS
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import DiffID, Digest, sha256
from lamina.oci.manifest import Index, Manifest
from lamina.oci.validate import validate

if TYPE_CHECKING:
    from lamina.oci.image import Image

TARS = [b"one" * 1000, bytes(1024)]


@dataclass
class MemoryLayer:
    data: bytes
    diff_id: DiffID
    media_type: str
    digest: Digest
    size: int

    def open(self) -> BinaryIO:
        return io.BytesIO(self.data)


@dataclass
class MemoryImage:
    manifest_bytes: bytes = b""
    config_bytes: bytes = b""
    layers: list[MemoryLayer] = field(default_factory=list)


def layer(tar: bytes, packed: bytes, media_type: str) -> MemoryLayer:
    return MemoryLayer(packed, DiffID(sha256(tar)), media_type, sha256(packed), len(packed))


def image(layers: list[MemoryLayer], *, manifest: dict[str, Any] | None = None, **config: Any) -> MemoryImage:
    made = ImageConfig("amd64", "linux", rootfs=RootFS(tuple(item.diff_id for item in layers)))
    data = (
        made._replace(history=(History(), History(empty_layer=True), History()))._replace(**config).to_bytes()
    )
    described = tuple(Descriptor(item.media_type, item.digest, item.size) for item in layers)
    value = Manifest(Descriptor(media.CONFIG, sha256(data), len(data)), described)._replace(
        **(manifest or {})
    )
    return MemoryImage(value.to_bytes(), data, layers)


def good() -> list[MemoryLayer]:
    packed = gzip.compress(TARS[0][:500]) + gzip.compress(TARS[0][500:])
    return [layer(TARS[0], packed, media.LAYER_GZIP), layer(TARS[1], TARS[1], media.LAYER)]


def refused(broken: Image, message: str) -> None:
    with pytest.raises(Corrupt, match=message):
        validate(broken)


def test_a_good_image() -> None:
    validate(image(good()))
    validate(image(good(), history=()))
    validate(image([], history=()))


def test_other_packings_need_a_decompressor() -> None:
    packed = b"\x28\xb5\x2f\xfd" + TARS[0]
    made = image([layer(TARS[0], packed, media.LAYER_ZSTD)], history=())
    with pytest.raises(Unsupported):
        validate(made)
    validate(made, decompress=lambda blob, media_type: io.BytesIO(blob.read()[4:]))


def test_config_lies() -> None:
    made = image(good())
    refused(replace(made, config_bytes=made.config_bytes.replace(b"linux", b"minix")), "config: digest")
    refused(replace(made, config_bytes=b"{}"), "rootfs is missing")
    refused(replace(made, config_bytes=b"nonsense"), "not valid JSON")
    refused(image(good(), os=""), "no platform")
    refused(image(good(), history=(History(),)), "history: number")
    refused(image(good(), rootfs=RootFS((good()[0].diff_id,))), "number of diff IDs")
    refused(image(good(), rootfs=RootFS((good()[1].diff_id, good()[0].diff_id))), "layer 0: diff ID against")
    refused(image(good(), rootfs=RootFS(image_diff_ids(), type="zfs")), "type of rootfs")
    size = Descriptor(media.CONFIG, sha256(made.config_bytes), 7)
    refused(image(good(), manifest={"config": size}), "config: size")
    odd = size._replace(media_type="text/plain", size=len(made.config_bytes))
    refused(image(good(), manifest={"config": odd}), "media type of an image config")


def image_diff_ids() -> tuple[DiffID, ...]:
    return tuple(item.diff_id for item in good())


def test_manifest_lies() -> None:
    refused(replace(image(good()), manifest_bytes=Index(()).to_bytes()), "index of several images")
    refused(replace(image(good()), manifest_bytes=b"["), "not valid JSON")
    refused(replace(image(good()), layers=good()[:1]), "number of layers")
    refused(replace(image(good()), layers=good()[::-1]), "layer 0: diff ID against")


def test_layer_lies() -> None:
    changes: list[tuple[dict[str, Any], str]] = [
        ({"data": b"\x1f\x8bother"}, "size of the bytes"),
        ({"data": b"plain tar"}, "packing of the bytes"),
        ({"media_type": media.LAYER}, "packing of the bytes"),
        ({"media_type": "text/plain"}, "not the media type of a layer"),
        ({"size": 5}, "size of the bytes"),
        ({"digest": sha256(b"")}, "digest of the bytes"),
        ({"diff_id": DiffID(sha256(b""))}, "digest of the unpacked bytes"),
    ]
    for change, message in changes:
        layers = good()
        layers[0] = replace(layers[0], **change)
        refused(image(layers), message)


def test_descriptor_lies() -> None:
    changes: list[tuple[dict[str, Any], str]] = [
        ({"media_type": media.LAYER}, "media type against"),
        ({"size": 5}, "size against"),
        ({"digest": sha256(b"")}, "digest against"),
    ]
    for change, message in changes:
        layers = good()
        made = image(layers)
        layers[0] = replace(layers[0], **change)
        refused(replace(made, layers=layers), "layer 0: " + message)


@pytest.mark.parametrize("cut", [-1, 5, 20])
def test_a_broken_gzip_stream(cut: int) -> None:
    packed = gzip.compress(TARS[0], mtime=0)[:cut]
    refused(image([layer(TARS[0], packed, media.LAYER_GZIP)], history=()), "cut short|broken")
