"""find_image: from what a person writes to an image, and to the names that `save` gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb
from lamina.errors import InvalidInput, NotFound
from lamina.oci import reference as references

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.layers.context import Layers
    from lamina.oci.digest import ImageID


class Chosen(NamedTuple):
    """An image, and the names, in full, under which it was asked for."""

    image_id: ImageID
    names: tuple[str, ...]


def find_image(ctx: Layers, text: str) -> ImageID:
    """The image that `text` names: a name, `latest` where it has no tag, or the start of an ID.

    NotFound and InvalidInput in Docker's words.
    """
    return _find(ctx, text)[0]


def choose(ctx: Layers, texts: Iterable[str]) -> list[Chosen]:
    """The images to save, each once, in the order asked for. A name without a tag stands for all its tags."""
    chosen: dict[ImageID, list[str]] = {}
    for text in texts:
        for image_id, names in _all_of(ctx, text):
            known = chosen.setdefault(image_id, [])
            known.extend(name for name in names if name not in known)
    return [Chosen(image_id, tuple(names)) for image_id, names in chosen.items()]


def _all_of(ctx: Layers, text: str) -> list[tuple[ImageID, list[str]]]:
    repository = _bare_name(text)
    if repository:
        tags = [(name, i) for name, i in imagedb.all_tags(ctx.db.read()) if name.startswith(repository + ":")]
        if tags:
            return [(image_id, [name]) for name, image_id in tags]
    image_id, name = _find(ctx, text)
    return [(image_id, [name] if name else [])]


def _bare_name(text: str) -> str:
    """The repository in full when `text` is a name without a tag or digest, else ""."""
    try:
        reference = references.parse(text)
    except InvalidInput:
        return ""
    return "" if reference.tag or reference.digest else reference.name


def _find(ctx: Layers, text: str) -> tuple[ImageID, str]:
    """The image, and the name it was found by, "" when that was its ID."""
    digits = references.id_prefix(text)
    if not text.startswith("sha256:") and not (digits and len(digits) == 64):
        name = str(references.parse(text).with_default_tag())
        tagged = imagedb.get_tag(ctx.db.read(), name)
        if tagged is not None:
            return tagged, name
    found = imagedb.find_image(ctx.db.read(), digits) if digits else []
    if len(found) > 1:
        raise InvalidInput(f"image ID {text} is ambiguous: more than one begins so")
    if not found:
        raise NotFound(f"No such image: {_familiar(text)}")
    return found[0], ""


def _familiar(text: str) -> str:
    """As Docker says it: with the tag."""
    try:
        return references.parse(text).with_default_tag().familiar()
    except InvalidInput:
        return text
