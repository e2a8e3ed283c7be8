"""The images that FROM and COPY --from name: they must be in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb, layerdb
from lamina.errors import InvalidInput, NotFound
from lamina.oci import config as configs
from lamina.oci import reference
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
    """Looks an image up by its name, ID, or the beginning of its ID. NotFound, InvalidInput."""
    image_id = _find(ctx, name)
    config = configs.parse(ctx.blobs.read(Digest(image_id), configs.MAX_SIZE))
    c = ctx.db.read()
    chain = imagedb.layers_of(c, image_id)
    return Base(image_id, config, layerdb.need_layer(c, chain[-1]) if chain else None)


def _find(ctx: Layers, name: str) -> ImageID:
    """Names come first, unless `sha256:` says that it is an ID."""
    c = ctx.db.read()
    digits = reference.id_prefix(name)
    if not name.startswith("sha256:") and len(digits or "") < 64:
        found = imagedb.get_tag(c, str(_reference(name)))
        if found is not None:
            return found
    ids = imagedb.find_image(c, digits) if digits else []
    if len(ids) > 1:
        raise InvalidInput(f"{name} is the beginning of several image IDs", hint="give more of it")
    if not ids:
        raise NotFound(
            f"image not found in the store: {name}",
            hint="`lamina images` lists what is there; `lamina load` and `lamina import` bring images in",
        )
    return ids[0]


def _reference(name: str) -> reference.Reference:
    try:
        return reference.parse(name).with_default_tag()
    except InvalidInput as error:
        raise InvalidInput(f"{name!r} does not name an image: {error.message}", hint=error.hint) from None
