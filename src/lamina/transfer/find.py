"""choose: from what a person writes to the images to save, and the names that the archive gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb, leases, names
from lamina.errors import InvalidInput
from lamina.oci import reference as references

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.layers.context import Layers
    from lamina.oci.digest import ImageID


class Chosen(NamedTuple):
    """An image, and the names, in full, under which it was asked for."""

    image_id: ImageID
    names: tuple[str, ...]


def choose(ctx: Layers, texts: Iterable[str]) -> list[Chosen]:
    """The images to save, each once, in the order asked for. A name without a tag stands for all its tags."""
    chosen: dict[ImageID, list[str]] = {}
    for text in texts:
        for image_id, found in _all_of(ctx, text):
            known = chosen.setdefault(image_id, [])
            known.extend(name for name in found if name not in known)
    return [Chosen(image_id, tuple(known)) for image_id, known in chosen.items()]


def hold(ctx: Layers, *image_ids: ImageID) -> None:
    """Keeps images whole while we read them, whatever others remove meanwhile. NotFound."""
    with ctx.db.write(durable=False) as c:
        for image_id in image_ids:
            imagedb.need_image(c, image_id)
        leases.hold(c, ctx.lease.id, leases.IMAGE, *image_ids)


def _all_of(ctx: Layers, text: str) -> list[tuple[ImageID, list[str]]]:
    repository = _bare_name(text)
    if repository:
        tags = [(name, i) for name, i in imagedb.all_tags(ctx.db.read()) if name.startswith(repository + ":")]
        if tags:
            return [(image_id, [name]) for name, image_id in tags]
    found = names.resolve_image(ctx.db.read(), text)
    return [(found.image_id, [found.tag] if found.tag else [])]


def _bare_name(text: str) -> str:
    """The repository in full when `text` is a name without a tag or digest, else ""."""
    try:
        reference = references.parse(text)
    except InvalidInput:
        return ""
    return "" if reference.tag or reference.digest else reference.name
