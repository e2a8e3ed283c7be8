"""The images that FROM and COPY --from name, as far as the store has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb, layerdb, names
from lamina.errors import Conflict, NotFound
from lamina.oci import config as configs
from lamina.oci.digest import Digest

if TYPE_CHECKING:
    from lamina.db.layerdb import Layer
    from lamina.layers.context import Layers
    from lamina.oci.config import ImageConfig
    from lamina.oci.digest import ImageID
    from lamina.oci.platform import Platform


_HINT = "`lamina images` lists what is there; `lamina load` and `lamina import` bring images in"
_SHORTEST_ID = 8  # digits: a short name must not be taken for the beginning of an ID


class Base(NamedTuple):
    """An image of the store. `top` is its uppermost layer, None for an image without any.

    `index_digest` is what its name stood for when it was looked up, None where that was just the image.
    """

    image_id: ImageID
    config: ImageConfig
    top: Layer | None
    index_digest: Digest | None = None


class Absent(NotFound):
    """The store has no such image; `index` where it has the index of it, without the image wanted."""

    index: Digest | None = None


def find_base(ctx: Layers, name: str, platform: Platform) -> Base:
    """Looks an image up by its name, ID, or the beginning of its ID. Absent, InvalidInput, Conflict.

    Where the name stands for images of several platforms there must be one for `platform`: NotFound.
    """
    c = ctx.db.read()
    try:
        found = names.resolve_image(c, name)
        if found.tag is None and len(name) < _SHORTEST_ID:
            raise NotFound(name)
    except (NotFound, Conflict) as error:
        if isinstance(error, Conflict) and len(name) >= _SHORTEST_ID:
            raise
        raise Absent(
            f"image not found in the store: {name}",
            hint=_HINT,
        ) from None
    image_id = found.image_id
    config = configs.parse(ctx.blobs.read(Digest(image_id), configs.MAX_SIZE))
    if found.index_digest is not None and config.platform[:3] != platform[:3]:
        from lamina.db import indexdb  # most images are for this machine

        members = indexdb.members(c, found.index_digest)
        if _lacks(ctx, found.index_digest, {each.manifest for each in members}, platform):
            raise _absent(name, platform, found.index_digest)
        if len(members) > 1:
            image_id = names.for_platform(c, found, platform).image_id
            config = configs.parse(ctx.blobs.read(Digest(image_id), configs.MAX_SIZE))
    chain = imagedb.layers_of(c, image_id)
    top = layerdb.need_layer(c, chain[-1]) if chain else None
    return Base(image_id, config, top, found.index_digest)


def _lacks(ctx: Layers, index: Digest, have: set[Digest], platform: Platform) -> bool:
    """Whether an index has an image for the platform that was not pulled with it."""
    from lamina.oci import manifest as manifests  # as above

    document = manifests.parse(ctx.blobs.read(index))
    fits = [
        each.digest
        for each in (document.manifests if isinstance(document, manifests.Index) else ())
        if each.platform is not None and each.platform.distance(platform) == 0
    ]
    return bool(fits) and have.isdisjoint(fits)


def _absent(name: str, platform: Platform, index: Digest) -> Absent:
    error = Absent(f"image not found in the store for {platform}: {name}", hint=_HINT)
    error.index = index
    return error
