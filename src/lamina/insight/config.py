"""The config of an image, read from its blob."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.oci import config
from lamina.oci.digest import Digest

if TYPE_CHECKING:
    from lamina.insight.rows import Rows
    from lamina.oci.config import ImageConfig
    from lamina.oci.digest import ImageID


def config_of(rows: Rows, image_id: ImageID) -> ImageConfig:
    """The image's config (image-spec config.md). NotFound, Corrupt, InvalidInput."""
    return config.parse(rows.blobs.read(Digest(image_id), config.MAX_SIZE))
