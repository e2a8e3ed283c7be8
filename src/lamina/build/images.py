"""The images that FROM and COPY --from name: they must be in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb, layerdb, names
from lamina.errors import NotFound
from lamina.oci import config as configs
from lamina.oci.digest import Digest

if TYPE_CHECKING:
    from lamina.db.layerdb import Layer
    from lamina.layers.context import Layers
    from lamina.oci.config import ImageConfig
    from lamina.oci.digest import ImageID


class Base(NamedTuple):
    """An image of the store. `top` is its uppermost layer, None for an image without any."""

    image_id: ImageID
    config: ImageConfig
    top: Layer | None


def find_base(ctx: Layers, name: str) -> Base:
    """Looks an image up by its name, ID, or the beginning of its ID. NotFound, InvalidInput, Conflict."""
    c = ctx.db.read()
    try:
        image_id = names.resolve_image(c, name).image_id
    except NotFound:
        raise NotFound(
            f"image not found in the store: {name}",
            hint="`lamina images` lists what is there; `lamina load` and `lamina import` bring images in",
        ) from None
    config = configs.parse(ctx.blobs.read(Digest(image_id), configs.MAX_SIZE))
    chain = imagedb.layers_of(c, image_id)
    return Base(image_id, config, layerdb.need_layer(c, chain[-1]) if chain else None)
