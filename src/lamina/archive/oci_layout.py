"""An OCI image layout: oci-layout, index.json and blobs/sha256/HEX (image-spec image-layout.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.archive.files import MAX_JSON, read_small
from lamina.archive.image import ArchivedImage, ArchivedLayer, check_count, check_digest
from lamina.errors import Corrupt, InvalidInput, NotFound, Unsupported
from lamina.oci import canonical, media
from lamina.oci import config as configs
from lamina.oci import manifest as manifests
from lamina.oci.digest import DiffID, Digest, hex_of
from lamina.oci.manifest import Manifest

if TYPE_CHECKING:
    from lamina.archive.files import Files
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.platform import Platform

LAYOUT = "oci-layout"
INDEX = "index.json"
VERSION = "1.0.0"
NAME = "io.containerd.image.name"  # annotation: the whole reference
REF_NAME = "org.opencontainers.image.ref.name"  # annotation: the tag, or a name of whatever kind
_ATTESTATION = "vnd.docker.reference.type"  # annotation: BuildKit's notes about an image, no image
_MAX_IMAGES = 1000
_MAX_NESTING = 4


def blob_name(digest: str) -> str:
    """The file of a blob; `digest` was parsed, so it is nothing but hex digits."""
    return f"blobs/sha256/{hex_of(digest)}"


def read_oci_layout(files: Files, host: Platform) -> list[ArchivedImage]:
    """The images of a layout; of those for several platforms, `host`'s. InvalidInput, Corrupt, NotFound."""
    _check_version(files)
    index = manifests.parse_index(read_small(files, INDEX))
    if len(index.manifests) > _MAX_IMAGES:
        raise InvalidInput(f"archive: {INDEX} names more than {_MAX_IMAGES} images")
    found: dict[Digest, tuple[Manifest, bytes, list[str]]] = {}
    for descriptor in _for_platform(index.manifests, host):
        digest, manifest, data = _manifest(files, descriptor, host)
        names = found.setdefault(digest, (manifest, data, []))[2]
        names.extend(_names(descriptor))
    return [_image(files, *each) for each in found.values()]


def _check_version(files: Files) -> None:
    layout = canonical.loads_object(read_small(files, LAYOUT), LAYOUT)
    version = layout.get("imageLayoutVersion")
    if version != VERSION:
        raise Unsupported(f"archive: image layout version {str(version)[:20]!r}; this Lamina reads {VERSION}")


def _names(descriptor: Descriptor) -> list[str]:
    name = descriptor.annotations.get(NAME) or descriptor.annotations.get(REF_NAME) or ""
    # A reference's name may be a tag alone, which names nothing without a repository.
    return [name] if "/" in name or ":" in name else []


def _manifest(
    files: Files, descriptor: Descriptor, host: Platform, nesting: int = 0
) -> tuple[Digest, Manifest, bytes]:
    data = _read_blob(files, descriptor, MAX_JSON)
    document = manifests.parse(data, descriptor.media_type)
    if isinstance(document, Manifest):
        return descriptor.digest, document, data
    if nesting == _MAX_NESTING:
        raise InvalidInput("archive: an index in an index in an index")
    for inner in _for_platform(document.manifests, host)[:1]:
        return _manifest(files, inner, host, nesting + 1)
    raise NotFound(f"archive: no image for {host}")


def _for_platform(descriptors: tuple[Descriptor, ...], host: Platform) -> list[Descriptor]:
    """The images among `descriptors`; where one of several with one name is for `host`, that one."""
    images = [each for each in descriptors if _ATTESTATION not in each.annotations]
    ours = {tuple(_names(each)) for each in images if each.platform and each.platform.runs(host)}
    return [
        each
        for each in images
        if each.platform is None or each.platform.runs(host) or tuple(_names(each)) not in ours
    ]


def _image(files: Files, manifest: Manifest, data: bytes, names: list[str]) -> ArchivedImage:
    if manifest.config.media_type not in media.CONFIGS:
        raise Unsupported(f"archive: {manifest.config.media_type[:100]!r} is not a container image")
    config_bytes = _read_blob(files, manifest.config, configs.MAX_SIZE)
    config = configs.parse(config_bytes)
    check_count(len(manifest.layers), config)
    pairs = zip(manifest.layers, config.diff_ids, strict=True)
    layers = [_layer(files, descriptor, diff_id) for descriptor, diff_id in pairs]
    return ArchivedImage(tuple(dict.fromkeys(names)), config_bytes, config, data, tuple(layers))


def _layer(files: Files, descriptor: Descriptor, diff_id: DiffID) -> ArchivedLayer:
    if media.compression(descriptor.media_type) is None:
        raise Unsupported(f"archive: {descriptor.media_type[:100]!r} is not a layer that can be unpacked")
    name = blob_name(descriptor.digest)
    if files.size(name) != descriptor.size:
        raise Corrupt(f"archive: {name} has {files.size(name)} bytes, and should have {descriptor.size}")
    return ArchivedLayer(files, name, diff_id, descriptor.digest, descriptor.size, descriptor.media_type)


def _read_blob(files: Files, descriptor: Descriptor, limit: int) -> bytes:
    name = blob_name(descriptor.digest)
    data = read_small(files, name, limit)
    if len(data) != descriptor.size:
        raise Corrupt(f"archive: {name} has {len(data)} bytes, and should have {descriptor.size}")
    check_digest(data, descriptor.digest, name)
    return data
