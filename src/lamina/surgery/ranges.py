"""Which layers an operation is about where none are named: those that an image has above its base."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db.bases import bases
from lamina.db.layernames import range_of

if TYPE_CHECKING:
    from lamina.layers.context import Layers
    from lamina.oci.digest import ImageID
    from lamina.surgery.parts import Parts


def own_layers(ctx: Layers, image_id: ImageID, parts: Parts) -> tuple[int, int]:
    """The first and the last layer (from 1) that are the image's own: all, where no base of it is known."""
    base = next(iter(bases(ctx.db.read(), image_id)), None)
    return (base.layers if base is not None else 0) + 1, len(parts.diff_ids)


def layers_meant(
    ctx: Layers, image_id: ImageID, parts: Parts, text: str, *, base: bool = False
) -> tuple[int, int]:
    """The layers that `A..B` means (db.layernames), or without a text the image's own, with `base` all.

    NotFound, Conflict, InvalidInput.
    """
    if text:
        return range_of(parts.diff_ids, text)
    return (1, len(parts.diff_ids)) if base else own_layers(ctx, image_id, parts)
