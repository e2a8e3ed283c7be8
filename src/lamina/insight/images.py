"""Which images there are (`lamina images`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb, indexdb, repodigests
from lamina.oci import reference

if TYPE_CHECKING:
    from lamina.insight.rows import Rows
    from lamina.oci.digest import ImageID


class ImageSummary(NamedTuple):
    """One image; `tags` are short names as Docker prints them (app:latest)."""

    image_id: str
    tags: tuple[str, ...]
    created: str  # RFC 3339
    size: int  # bytes in the files of its layers
    manifest: str  # digest
    os: str
    architecture: str
    layers: int
    is_part: bool = False  # only known as part of an index, for which another image stands
    digests: tuple[str, ...] = ()  # under which registries have it, as short names (app@sha256:...)


def images(rows: Rows) -> list[ImageSummary]:
    """All images, the newest first."""
    c = rows.connection
    shown = {index.digest: index.image_id for index in indexdb.indexes(c)}
    parts = {image_id for digest, image_id in indexdb.all_members(c) if shown[digest] != image_id}
    found = [summary(rows, row) for row in imagedb.images(c)]
    return [each._replace(is_part=each.image_id in parts and not each.tags) for each in found]


def summary(rows: Rows, row: imagedb.ImageRow) -> ImageSummary:
    """One row with its names."""
    return ImageSummary(
        row.image_id,
        tags_of(rows, row.image_id),
        row.created,
        row.size,
        row.manifest,
        row.os,
        row.architecture,
        len(imagedb.layers_of(rows.connection, row.image_id)),
        digests=digests_of(rows, row.image_id),
    )


def tags_of(rows: Rows, image_id: ImageID) -> tuple[str, ...]:
    """The short names of an image, sorted."""
    return tuple(sorted(reference.parse(name).familiar() for name in imagedb.tags(rows.connection, image_id)))


def digests_of(rows: Rows, image_id: ImageID) -> tuple[str, ...]:
    """The short names with digests under which registries have an image, sorted."""
    found = repodigests.of_image(rows.connection, image_id)
    return tuple(sorted(f"{reference.parse(name).familiar_name}@{digest}" for name, digest in found))


def label(rows: Rows, image_id: ImageID) -> str:
    """What to call an image in a list: its first name, else its short ID."""
    tags = tags_of(rows, image_id)
    return tags[0] if tags else image_id.removeprefix("sha256:")[:12]
