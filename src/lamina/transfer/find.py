"""choose: from what a person writes to the images to save, and the names that the archive gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb, indexdb, leases, names
from lamina.errors import InvalidInput, NotFound
from lamina.oci import reference as references

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.db.names import Named
    from lamina.layers.context import Layers
    from lamina.oci.digest import Digest, ImageID
    from lamina.oci.platform import Platform


class Chosen(NamedTuple):
    """An image, the names, in full, under which it was asked for, and the index that these stand for."""

    image_id: ImageID
    names: tuple[str, ...]
    index_digest: Digest | None = None


def choose(ctx: Layers, texts: Iterable[str], platform: Platform | None = None) -> list[Chosen]:
    """The images to save, each once, in the order asked for. A name without a tag stands for all its tags.

    With `platform` the images for it, without their indexes. NotFound when an index has none.
    """
    chosen: dict[tuple[ImageID, Digest | None], list[str]] = {}
    for text in texts:
        for found in _all_of(ctx, text):
            if platform is not None:
                found = names.for_platform(ctx.db.read(), found, platform)
            known = chosen.setdefault((found.image_id, found.index_digest), [])
            if found.tag and found.tag not in known:
                known.append(found.tag)
    return [Chosen(image_id, tuple(known), index) for (image_id, index), known in chosen.items()]


def hold(ctx: Layers, *image_ids: ImageID, indexes: Iterable[Digest | None] = ()) -> None:
    """Keeps images, and all of indexes, whole while we read them, whatever others remove. NotFound."""
    with ctx.db.write(durable=False) as c:
        for digest in indexes:
            if digest is not None:
                if indexdb.get_index(c, digest) is None:
                    raise NotFound(f"No such image: {digest}")
                leases.hold(c, ctx.lease.id, leases.BLOB, digest)  # and with it all that it names
                members = indexdb.members(c, digest)
                leases.hold(c, ctx.lease.id, leases.BLOB, *[member.manifest for member in members])
                image_ids += tuple([member.image_id for member in members])
        for image_id in image_ids:
            row = imagedb.need_image(c, image_id)
            # `rmi` by name removes the row all the same; what it leads to is held by itself
            leases.hold(c, ctx.lease.id, leases.LAYER, *imagedb.layers_of(c, image_id)[-1:])
            leases.hold(c, ctx.lease.id, leases.BLOB, image_id, row.manifest)
        leases.hold(c, ctx.lease.id, leases.IMAGE, *image_ids)


def _all_of(ctx: Layers, text: str) -> list[Named]:
    repository = _bare_name(text)
    if repository:
        c = ctx.db.read()
        tags = [name for name, _ in imagedb.all_tags(c) if name.startswith(repository + ":")]
        if tags:
            return [names.resolve_image(c, name) for name in tags]
    return [names.resolve_image(ctx.db.read(), text)]


def _bare_name(text: str) -> str:
    """The repository in full when `text` is a name without a tag or digest, else ""."""
    try:
        reference = references.parse(text)
    except InvalidInput:
        return ""
    return "" if reference.tag or reference.digest else reference.name
