"""An OCI image layout: oci-layout, index.json and blobs/sha256/HEX (image-spec image-layout.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.archive.files import MAX_JSON, read_small
from lamina.archive.image import (
    ArchivedBlob,
    ArchivedImage,
    ArchivedIndex,
    ArchivedLayer,
    check_count,
    check_digest,
)
from lamina.archive.since import left_out
from lamina.errors import Corrupt, InvalidInput, NotFound, Unsupported
from lamina.oci import canonical, media
from lamina.oci import config as configs
from lamina.oci import manifest as manifests
from lamina.oci.digest import DiffID, Digest, hex_of
from lamina.oci.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.archive.files import Files
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.manifest import Index
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


def read_oci_layout(files: Files, host: Platform, *, whole: bool = True) -> list[ArchivedImage]:
    """The images of a layout. InvalidInput, Corrupt, NotFound.

    Of an index there is the image for `host` (else the first), with all that the archive has of it when
    `whole`; not `whole`, it must have one for `host`.
    """
    _check_version(files)
    index = manifests.parse_index(read_small(files, INDEX))
    if len(index.manifests) > _MAX_IMAGES:
        raise InvalidInput(f"archive: {INDEX} names more than {_MAX_IMAGES} images")
    found: dict[Digest, tuple[ArchivedImage, list[str]]] = {}
    elsewhere = left_out(files)
    for descriptor in _for_platform(index.manifests, host):
        if descriptor.digest not in found:
            found[descriptor.digest] = (_top(files, descriptor, host, whole, elsewhere), [])
        found[descriptor.digest][1].extend(_names(descriptor))
    return [image._replace(names=tuple(dict.fromkeys(names))) for image, names in found.values()]


def read_named(files: Files, host: Platform, tag: str, digest: Digest | None) -> ArchivedImage:
    """One image of a layout: that of a digest, of a tag, else the one called latest, or the only one.

    Of an index it is the one for `host`. NotFound, InvalidInput, Corrupt.
    """
    rows = read_rows(files)
    if digest is not None:
        rows = [each for each in rows if each.digest == digest]
        if not rows and files.has(blob_name(digest)):  # inside of an index
            data = read_small(files, blob_name(digest))
            check_digest(data, digest, blob_name(digest))
            return _image(files, manifests.parse_manifest(data), data, left_out(files))
    else:
        named = [each for each in rows if is_called(each, tag or "latest")]
        rows = named or ([] if tag or len(rows) > 1 else rows)
    if not rows:
        raise NotFound(f"the layout has no image {digest or tag or 'latest'}")
    return _top(files, rows[0], host, False, left_out(files))


def read_rows(files: Files) -> list[Descriptor]:
    """What index.json of a layout names. InvalidInput, Unsupported."""
    _check_version(files)
    return list(manifests.parse_index(read_small(files, INDEX)).manifests)


def read_row(files: Files, row: Descriptor, host: Platform, *, whole: bool) -> ArchivedImage:
    """The image of one of `read_rows`; see read_oci_layout for `host` and `whole`. It has no name."""
    return _top(files, row, host, whole, left_out(files))


def is_called(descriptor: Descriptor, tag: str) -> bool:
    """Whether index.json calls an image so: by its tag, or its whole name."""
    names = (descriptor.annotations.get(NAME, ""), descriptor.annotations.get(REF_NAME, ""))
    return any(name == tag or name.endswith(":" + tag) for name in names)


def names_an_index(files: Files) -> bool:
    """Whether a layout has images for several platforms, or attestations, under one name."""
    index = manifests.parse_index(read_small(files, INDEX))
    return any(descriptor.media_type in media.INDEXES for descriptor in index.manifests)


def _top(
    files: Files, descriptor: Descriptor, host: Platform, whole: bool, elsewhere: Mapping[DiffID, str]
) -> ArchivedImage:
    """What one row of index.json names."""
    data = read_blob(files, descriptor, MAX_JSON)
    document = manifests.parse(data, descriptor.media_type)
    if isinstance(document, Manifest):
        return _image(files, document, data, elsewhere)
    inside = _Inside(files, whole, elsewhere)
    inside.read(document)
    chosen = next((image for image in inside.images if image.config.platform.runs(host)), None)
    if chosen is None and (not whole or not inside.images):
        raise NotFound(f"archive: no image for {host}")
    chosen = chosen or inside.images[0]
    if not whole or inside.missing:
        return chosen
    return chosen._replace(whole=ArchivedIndex(data, tuple(inside.images), tuple(inside.others)))


class _Inside:
    """What is in an index: its images, and the blobs that are none; `missing` when it is not all there."""

    def __init__(self, files: Files, whole: bool, elsewhere: Mapping[DiffID, str]) -> None:
        self._files = files
        self._whole = whole
        self._elsewhere = elsewhere
        self.images: list[ArchivedImage] = []
        self.others: list[ArchivedBlob] = []
        self.missing = False

    def read(self, index: Index, nesting: int = 0) -> None:
        """Goes over an index, and those within it."""
        if nesting == _MAX_NESTING:
            raise InvalidInput("archive: an index in an index in an index")
        if len(index.manifests) > _MAX_IMAGES:
            raise InvalidInput(f"archive: an index names more than {_MAX_IMAGES} images")
        for descriptor in index.manifests:
            if not self._files.has(blob_name(descriptor.digest)):
                self.missing = True  # Docker saves one platform of an image with the whole index
            elif descriptor.media_type in media.INDEXES:
                self._other(descriptor)
                self.read(manifests.parse_index(self._data(descriptor), descriptor.media_type), nesting + 1)
            else:
                self._manifest(descriptor)

    def _manifest(self, descriptor: Descriptor) -> None:
        if not self._whole and _ATTESTATION in descriptor.annotations:
            return
        data = self._data(descriptor)
        manifest = manifests.parse_manifest(data, descriptor.media_type)
        if _ATTESTATION in descriptor.annotations or manifest.config.media_type not in media.CONFIGS:
            for part in (descriptor, manifest.config, *manifest.layers):
                self._other(part)
        elif self._has_all(manifest):
            self.images.append(_image(self._files, manifest, data, self._elsewhere))
        else:
            self.missing = True

    def _has_all(self, manifest: Manifest) -> bool:
        """Whether an image is in the archive, but for layers that are left out of it."""
        if not self._files.has(blob_name(manifest.config.digest)):
            return False
        missing = [n for n, part in enumerate(manifest.layers) if not self._files.has(blob_name(part.digest))]
        if not missing or not self._elsewhere:
            return not missing
        diff_ids = configs.parse(read_blob(self._files, manifest.config, configs.MAX_SIZE)).diff_ids
        return all(number < len(diff_ids) and diff_ids[number] in self._elsewhere for number in missing)

    def _other(self, descriptor: Descriptor) -> None:
        name = blob_name(descriptor.digest)
        if not self._files.has(name):
            self.missing = True
        else:
            self.others.append(ArchivedBlob(self._files, name, descriptor.digest, descriptor.size))

    def _data(self, descriptor: Descriptor) -> bytes:
        return read_blob(self._files, descriptor, MAX_JSON)


def _check_version(files: Files) -> None:
    layout = canonical.loads_object(read_small(files, LAYOUT), LAYOUT)
    version = layout.get("imageLayoutVersion")
    if version != VERSION:
        raise Unsupported(f"archive: image layout version {str(version)[:20]!r}; this Lamina reads {VERSION}")


def _names(descriptor: Descriptor) -> list[str]:
    name = descriptor.annotations.get(NAME) or descriptor.annotations.get(REF_NAME) or ""
    # A reference's name may be a tag alone, which names nothing without a repository.
    return [name] if "/" in name or ":" in name else []


def _for_platform(descriptors: tuple[Descriptor, ...], host: Platform) -> list[Descriptor]:
    """The images among `descriptors`; where one of several with one name is for `host`, that one."""
    images = [each for each in descriptors if _ATTESTATION not in each.annotations]
    ours = {tuple(_names(each)) for each in images if each.platform and each.platform.runs(host)}
    return [
        each
        for each in images
        if each.platform is None or each.platform.runs(host) or tuple(_names(each)) not in ours
    ]


def _image(files: Files, manifest: Manifest, data: bytes, elsewhere: Mapping[DiffID, str]) -> ArchivedImage:
    if manifest.config.media_type not in media.CONFIGS:
        raise Unsupported(f"archive: {manifest.config.media_type[:100]!r} is not a container image")
    config_bytes = read_blob(files, manifest.config, configs.MAX_SIZE)
    config = configs.parse(config_bytes)
    check_count(len(manifest.layers), config)
    pairs = zip(manifest.layers, config.diff_ids, strict=True)
    layers = [_layer(files, descriptor, diff_id, elsewhere) for descriptor, diff_id in pairs]
    return ArchivedImage((), config_bytes, config, data, tuple(layers))


def _layer(
    files: Files, descriptor: Descriptor, diff_id: DiffID, elsewhere: Mapping[DiffID, str]
) -> ArchivedLayer:
    if media.compression(descriptor.media_type) is None:
        raise Unsupported(f"archive: {descriptor.media_type[:100]!r} is not a layer that can be unpacked")
    name = blob_name(descriptor.digest)
    if diff_id in elsewhere and not files.has(name):
        return ArchivedLayer(files, name, diff_id, descriptor.digest, 0, "", elsewhere[diff_id])
    if files.size(name) != descriptor.size:
        raise Corrupt(f"archive: {name} has {files.size(name)} bytes, and should have {descriptor.size}")
    return ArchivedLayer(files, name, diff_id, descriptor.digest, descriptor.size, descriptor.media_type)


def read_blob(files: Files, descriptor: Descriptor, limit: int) -> bytes:
    """A document of a layout, checked. InvalidInput when it is missing, or longer than `limit`; Corrupt."""
    name = blob_name(descriptor.digest)
    data = read_small(files, name, limit)
    if len(data) != descriptor.size:
        raise Corrupt(f"archive: {name} has {len(data)} bytes, and should have {descriptor.size}")
    check_digest(data, descriptor.digest, name)
    return data
