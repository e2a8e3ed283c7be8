"""LoadedImage: what `load` says of each image that it found."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lamina.oci.digest import ImageID


class LoadedImage(NamedTuple):
    """An image that is in the store now."""

    image_id: ImageID
    tags: tuple[str, ...]  # as Docker shows them: busybox:latest
