"""Descriptor: points at a blob by media type, digest and size (image-spec descriptor.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput
from lamina.oci import digest as digests
from lamina.oci import platform as platforms
from lamina.oci.fields import Extra, Fields, written

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.oci.digest import Digest
    from lamina.oci.platform import Platform


class Descriptor(NamedTuple):
    """A blob's type, name and length in bytes, with notes about it."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = {}
    platform: Platform | None = None
    artifact_type: str = ""
    urls: tuple[str, ...] = ()
    data: str = ""  # base64 of the blob itself, where a writer chose to embed it
    extra: Extra = {}

    def to_json(self) -> dict[str, object]:
        """As in a manifest or index."""
        known = (
            ("mediaType", self.media_type),
            ("digest", self.digest),
            ("size", self.size),
            ("urls", list(self.urls)),
            ("annotations", dict(sorted(self.annotations.items()))),
            ("data", self.data),
            ("platform", self.platform and self.platform.to_json()),
            ("artifactType", self.artifact_type),
        )
        return written(known, {"size": 0, **self.extra})


def from_json(value: object) -> Descriptor:
    """Reads a descriptor. InvalidInput when a field is missing, of the wrong type, or not a digest."""
    fields = Fields(value, "descriptor")
    media_type, digest, size = fields.require("mediaType"), fields.require("digest"), fields.require("size")
    if type(media_type) is not str or type(digest) is not str:
        raise InvalidInput("descriptor: mediaType or digest is not text")
    if type(size) is not int or not 0 <= size < 1 << 63:
        raise InvalidInput("descriptor: size is not a number of bytes")
    return Descriptor(
        media_type=media_type,
        digest=digests.parse(digest),
        size=size,
        annotations=fields.mapping("annotations"),
        platform=fields.part("platform", platforms.from_json),
        artifact_type=fields.text("artifactType"),
        urls=fields.texts("urls"),
        data=fields.text("data"),
        extra=fields.extra,
    )
