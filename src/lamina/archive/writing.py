"""Archives out: an OCI image layout in a tar, with Docker's manifest.json beside it if wanted.

The bytes depend on the images alone: names are sorted, times are 0, owners are root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

from lamina.archive import docker_archive, oci_layout, since
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
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

    from lamina.archive.since import Since
    from lamina.oci.digest import DiffID, Digest
    from lamina.oci.image import Image


class Blob(Protocol):
    """Bytes named by their digest."""

    @property
    def digest(self) -> Digest:
        """What names it."""
        ...

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def open(self) -> BinaryIO:
        """The blob from its beginning. The caller closes it."""
        ...


class WholeIndex(Protocol):
    """An index with all that it names: images, and blobs that are no image's."""

    @property
    def data(self) -> bytes:
        """The document."""
        ...

    @property
    def images(self) -> Sequence[Image]:
        """In the order of the index."""
        ...

    @property
    def others(self) -> Mapping[Digest, Blob]:
        """Attestations, and what they name."""
        ...


class Named(NamedTuple):
    """An image and its names, in full, and the index that they stand for when it is more than the image.

    `annotations` are for the descriptors in index.json.
    """

    image: Image
    names: tuple[str, ...]
    whole: WholeIndex | None = None
    annotations: Mapping[str, str] = {}


def write_archive(
    images: Sequence[Named],
    sink: Callable[[bytes], object],
    *,
    docker: bool,
    without: Sequence[Since] = (),
) -> None:
    """Writes the images as a tar. With `docker` there is manifest.json, for Docker: one image a name.

    The layers of `without` are left out, and index.json says so.
    """
    tar = TarWriter(sink)
    for folder in (b"blobs", b"blobs/sha256"):
        tar.add(Entry(folder, Kind.DIR))
    _blobs(tar, blobs_of(images, {layer for each in without for layer in each.layers}))
    index = index_of(images)._replace(annotations=since.notes(without))
    _file(tar, oci_layout.INDEX, index.to_bytes())
    if docker:
        _file(tar, docker_archive.MANIFEST, canonical.dumps(docker_entries(images)))
    _file(tar, oci_layout.LAYOUT, canonical.dumps({"imageLayoutVersion": oci_layout.VERSION}))
    tar.finish()


def blobs_of(images: Iterable[Named], without: Container[DiffID] = frozenset()) -> dict[Digest, bytes | Blob]:
    """All blobs of images and indexes, by digest, but for some layers."""
    blobs: dict[Digest, bytes | Blob] = {}
    for named in images:
        if named.whole is not None:
            blobs[sha256(named.whole.data)] = named.whole.data
            blobs.update(named.whole.others)
        for image in (named.image, *(named.whole.images if named.whole else ())):
            for data in (image.manifest_bytes, image.config_bytes):
                blobs[sha256(data)] = data
            for layer in image.layers:
                if layer.diff_id not in without:
                    blobs[layer.digest] = layer
    return blobs


def _blobs(tar: TarWriter, blobs: Mapping[Digest, bytes | Blob]) -> None:
    """Each blob once, sorted by digest."""
    for digest, blob in sorted(blobs.items()):
        if isinstance(blob, bytes):
            _file(tar, oci_layout.blob_name(digest), blob)
        else:
            tar.add(_entry(oci_layout.blob_name(digest), blob.size))
            for chunk in pieces(blob):
                tar.data(chunk)


def pieces(blob: Blob) -> Iterator[bytes]:
    """The bytes of a blob. Corrupt when they are too few."""
    left = blob.size
    with blob.open() as stream:
        while chunk := stream.read(CHUNK):
            left -= len(chunk)
            yield chunk
    if left:
        raise Corrupt(f"blob {blob.digest} is {left} bytes too short")


def _file(tar: TarWriter, name: str, data: bytes) -> None:
    tar.add(_entry(name, len(data)))
    tar.data(data)


def _entry(name: str, size: int) -> Entry:
    return Entry(name.encode(), Kind.FILE, 0o644, size=size)


def index_of(images: Iterable[Named]) -> Index:
    """What index.json says: what each name stands for."""
    return Index(tuple([descriptor for each in images for descriptor in _descriptors(each)]))


def top_descriptor(named: Named) -> Descriptor:
    """The descriptor of what the names stand for: the index, else the manifest."""
    if named.whole is not None:
        data, platform = named.whole.data, None
    else:
        data, platform = named.image.manifest_bytes, configs.parse(named.image.config_bytes).platform
    document = manifests.parse(data)
    default = media.MANIFEST if named.whole is None else media.INDEX
    return Descriptor(
        document.media_type or default, sha256(data), len(data), named.annotations, platform=platform
    )


def _descriptors(named: Named) -> list[Descriptor]:
    """One for each name, as a layout names images; one without a name if there is none."""
    descriptor = top_descriptor(named)
    return [
        descriptor._replace(annotations={**named.annotations, **_annotations(name)}) for name in named.names
    ] or [descriptor]


def _annotations(name: str) -> dict[str, str]:
    return {oci_layout.NAME: name, oci_layout.REF_NAME: references.parse(name).tag}


def docker_entries(images: Iterable[Named]) -> list[dict[str, object]]:
    """What manifest.json says."""
    return [_docker_entry(each) for each in images]


def _docker_entry(named: Named) -> dict[str, object]:
    image, names = named.image, named.names
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
