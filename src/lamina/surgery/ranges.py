"""Which layers an operation is about where none are named: those that an image has above its base."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import repodigests
from lamina.db.bases import bases
from lamina.db.layernames import range_of

if TYPE_CHECKING:
    from lamina.db.bases import Base
    from lamina.layers.context import Layers
    from lamina.oci.digest import ImageID
    from lamina.surgery.parts import Parts


def base_of(ctx: Layers, image_id: ImageID) -> Base | None:
    """The base image with the most layers that somebody would call one; None where none is known.

    It has a name, or came from a registry: what earlier builds and operations left behind is no base.
    """
    c = ctx.db.read()
    found = bases(c, image_id)
    return next((base for base in found if base.names or repodigests.of_image(c, base.image_id)), None)


def layers_meant(
    ctx: Layers, image_id: ImageID, parts: Parts, text: str, *, base: bool = False
) -> tuple[int, int]:
    """The layers that `A..B` means (db.layernames), or without a text the image's own, with `base` all.

    NotFound, Conflict, InvalidInput.
    """
    if text:
        return range_of(parts.diff_ids, text)
    below = None if base else base_of(ctx, image_id)
    return (below.layers if below is not None else 0) + 1, len(parts.diff_ids)
