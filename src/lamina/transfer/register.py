"""register_image: config and layers become an image that has a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.db.imagedb import ImageRow
    from lamina.layers.context import Layers
    from lamina.oci.config import ImageConfig
    from lamina.oci.digest import DiffID


def register_image(
    ctx: Layers,
    config: ImageConfig | bytes,
    diff_ids: Sequence[DiffID],
    tags: Sequence[str] = (),
    *,
    manifest: bytes | None = None,
) -> ImageRow:
    """Stores the config and a manifest, and relates them with layers (bottom first) that are in the store.

    Layer rows that the stack lacks are added, with created_by and created from the config's history.
    `tags` are full names (Reference.name); each moves to this image. `manifest` is kept as it is instead of
    a new one, when every blob that it names is in the store.
    """
    raise NotImplementedError
