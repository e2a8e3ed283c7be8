"""Archives out: an OCI image layout in a tar, with Docker's manifest.json beside it if wanted.

The bytes depend on the images alone: names are sorted, times are 0, owners are root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.archive import docker_archive, oci_layout
from lamina.archive.compression import CHUNK
from lamina.errors import Corrupt
from lamina.oci import canonical, media
from lamina.oci import config as configs
from lamina.oci import manifest as manifests
from lamina.oci import reference as references
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import sha256
from lamina.oci.manifest import Index
from lamina.tree.entry import Entry, Kind
from lamina.tree.tar.write import TarWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lamina.oci.image import Image, Layer


class Named(NamedTuple):
    """An image and its names, in full."""

    image: Image
    names: tuple[str, ...]


def write_archive(images: Sequence[Named], sink: Callable[[bytes], object], *, docker: bool) -> None:
    """Writes the images as a tar. With `docker` their layers must not be compressed, as Docker's are not."""
    tar = TarWriter(sink)
    for folder in (b"blobs", b"blobs/sha256"):
        tar.add(Entry(folder, Kind.DIR))
    _blobs(tar, images)
    _file(tar, oci_layout.INDEX, _index(images).to_bytes())
    if docker:
        _file(tar, docker_archive.MANIFEST, canonical.dumps([_docker_entry(each) for each in images]))
    _file(tar, oci_layout.LAYOUT, canonical.dumps({"imageLayoutVersion": oci_layout.VERSION}))
    tar.finish()


def _blobs(tar: TarWriter, images: Iterable[Named]) -> None:
    """Each blob once, sorted by digest."""
    blobs: dict[str, bytes | Layer] = {}
    for image, _ in images:
        for data in (image.manifest_bytes, image.config_bytes):
            blobs[sha256(data)] = data
        for layer in image.layers:
            blobs[layer.digest] = layer
    for digest in sorted(blobs):
        blob = blobs[digest]
        if isinstance(blob, bytes):
            _file(tar, oci_layout.blob_name(digest), blob)
        else:
            _layer(tar, blob)


def _layer(tar: TarWriter, layer: Layer) -> None:
    tar.add(_entry(oci_layout.blob_name(layer.digest), layer.size))
    left = layer.size
    with layer.open() as stream:
        while chunk := stream.read(CHUNK):
            left -= len(chunk)
            tar.data(chunk)
    if left:
        raise Corrupt(f"layer {layer.digest} is {left} bytes too short")


def _file(tar: TarWriter, name: str, data: bytes) -> None:
    tar.add(_entry(name, len(data)))
    tar.data(data)


def _entry(name: str, size: int) -> Entry:
    return Entry(name.encode(), Kind.FILE, 0o644, size=size)


def _index(images: Iterable[Named]) -> Index:
    return Index(tuple([descriptor for each in images for descriptor in _descriptors(each)]))


def _descriptors(named: Named) -> list[Descriptor]:
    """The image once for each of its names, as a layout names images; once without a name if it has none."""
    data = named.image.manifest_bytes
    config = configs.parse(named.image.config_bytes)
    media_type = manifests.parse_manifest(data).media_type or media.MANIFEST
    descriptor = Descriptor(media_type, sha256(data), len(data), platform=config.platform)
    return [descriptor._replace(annotations=_annotations(name)) for name in named.names] or [descriptor]


def _annotations(name: str) -> dict[str, str]:
    return {oci_layout.NAME: name, oci_layout.REF_NAME: references.parse(name).tag}


def _docker_entry(named: Named) -> dict[str, object]:
    image, names = named
    sources = {
        layer.diff_id: {"mediaType": layer.media_type, "size": layer.size, "digest": layer.digest}
        for layer in image.layers
    }
    return {
        "Config": oci_layout.blob_name(sha256(image.config_bytes)),
        "RepoTags": [references.parse(name).familiar() for name in names] or None,
        "Layers": [oci_layout.blob_name(layer.digest) for layer in image.layers],
        "LayerSources": sources,
    }
