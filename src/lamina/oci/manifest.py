"""Manifest and Index: the list of an image's blobs, and the list of manifests.

Image-spec manifest.md and image-index.md. `media_type` is "" where the document does not say it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput
from lamina.oci import canonical, media
from lamina.oci import descriptor as descriptors
from lamina.oci.fields import Extra, Fields, written

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.oci.descriptor import Descriptor


class Manifest(NamedTuple):
    """An image: its config and its layers, bottom one first."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    media_type: str = media.MANIFEST
    annotations: Mapping[str, str] = {}
    artifact_type: str = ""
    subject: Descriptor | None = None
    extra: Extra = {}

    def to_json(self) -> dict[str, object]:
        """As in the spec, with its order of fields."""
        known = (
            ("schemaVersion", 2),
            ("mediaType", self.media_type),
            ("artifactType", self.artifact_type),
            ("config", self.config.to_json()),
            ("layers", [layer.to_json() for layer in self.layers]),
            ("subject", self.subject and self.subject.to_json()),
            ("annotations", dict(sorted(self.annotations.items()))),
        )
        return written(known, {"layers": [], **self.extra})

    def to_bytes(self) -> bytes:
        """The blob; its SHA-256 is the manifest's digest."""
        return canonical.dumps(self.to_json())


class Index(NamedTuple):
    """Several manifests under one name: one a platform, or the images of a folder."""

    manifests: tuple[Descriptor, ...]
    media_type: str = media.INDEX
    annotations: Mapping[str, str] = {}
    artifact_type: str = ""
    subject: Descriptor | None = None
    extra: Extra = {}

    def to_json(self) -> dict[str, object]:
        """As in the spec, with its order of fields."""
        known = (
            ("schemaVersion", 2),
            ("mediaType", self.media_type),
            ("artifactType", self.artifact_type),
            ("manifests", [item.to_json() for item in self.manifests]),
            ("subject", self.subject and self.subject.to_json()),
            ("annotations", dict(sorted(self.annotations.items()))),
        )
        return written(known, {"manifests": [], **self.extra})

    def to_bytes(self) -> bytes:
        """The blob; its SHA-256 is the index's digest."""
        return canonical.dumps(self.to_json())


def parse(data: bytes, media_type: str = "") -> Manifest | Index:
    """Reads a manifest or an index; `media_type` is what it was announced as, "" when nobody said.

    InvalidInput for anything else, for a type that is not the announced one, and for a document that
    could be read as both (CVE-2021-41190).
    """
    value = canonical.loads_object(data, "manifest")
    if type(value.get("schemaVersion")) is not int or value["schemaVersion"] != 2:
        raise InvalidInput(
            f"manifest: schemaVersion {value.get('schemaVersion')!r} is not supported, only 2 is",
            hint="push the image again with a current tool",
        )
    is_index = "manifests" in value
    if is_index and ("layers" in value or "config" in value or "fsLayers" in value):
        raise InvalidInput("manifest: it has both manifests and layers, so it can be read in two ways")
    written_type = value.get("mediaType")
    if media_type and written_type and media_type != written_type:
        raise InvalidInput(f"manifest: it says {written_type!r}, it was announced as {media_type!r}")
    _check_kind(written_type or media_type, is_index)
    return _index(value) if is_index else _manifest(value)


def parse_manifest(data: bytes, media_type: str = "") -> Manifest:
    """As `parse`; InvalidInput when it is an index."""
    made = parse(data, media_type)
    if not isinstance(made, Manifest):
        raise InvalidInput("manifest: this is an index of several images, not an image")
    return made


def parse_index(data: bytes, media_type: str = "") -> Index:
    """As `parse`; InvalidInput when it is a manifest."""
    made = parse(data, media_type)
    if not isinstance(made, Index):
        raise InvalidInput("index: this is the manifest of one image, not an index")
    return made


def _check_kind(media_type: object, is_index: bool) -> None:
    if media_type and media_type not in (media.INDEXES if is_index else media.MANIFESTS):
        what = "an index" if is_index else "an image manifest"
        raise InvalidInput(f"manifest: {str(media_type)[:100]!r} is not the media type of {what}")


def _manifest(value: dict[str, object]) -> Manifest:
    fields = Fields(value, "manifest")
    fields.require("schemaVersion")
    return Manifest(
        config=descriptors.from_json(fields.require("config")),
        layers=fields.objects("layers", descriptors.from_json),
        media_type=fields.text("mediaType"),
        annotations=fields.mapping("annotations"),
        artifact_type=fields.text("artifactType"),
        subject=fields.part("subject", descriptors.from_json),
        extra=fields.extra,
    )


def _index(value: dict[str, object]) -> Index:
    fields = Fields(value, "index")
    fields.require("schemaVersion")
    return Index(
        manifests=fields.objects("manifests", descriptors.from_json),
        media_type=fields.text("mediaType"),
        annotations=fields.mapping("annotations"),
        artifact_type=fields.text("artifactType"),
        subject=fields.part("subject", descriptors.from_json),
        extra=fields.extra,
    )
