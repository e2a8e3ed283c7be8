"""The config of an image, read from its blob."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.errors import Corrupt, NotFound
from lamina.oci import config
from lamina.oci.digest import Digest

if TYPE_CHECKING:
    from lamina.insight.rows import Rows
    from lamina.oci.config import ImageConfig
    from lamina.oci.digest import ImageID


def config_of(rows: Rows, image_id: ImageID) -> ImageConfig:
    """The image's config (image-spec config.md). Corrupt, InvalidInput."""
    try:
        return config.parse(rows.blobs.read(Digest(image_id), config.MAX_SIZE))
    except NotFound as error:  # the image is there: nobody asked for something that does not exist
        raise Corrupt(error.message, hint="load or build the image again") from None
