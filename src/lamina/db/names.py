"""From what a user types to the image that is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb
from lamina.errors import Conflict, InvalidInput, NotFound
from lamina.oci import reference

if TYPE_CHECKING:
    import sqlite3

    from lamina.oci.digest import ImageID


class Named(NamedTuple):
    """An image, and the name by which it was found; None when that was its ID or the start of it."""

    image_id: ImageID
    tag: str | None


def resolve_image(c: sqlite3.Connection, text: str) -> Named:
    """The image with this name, or else with an ID that begins so (a whole ID is never a name).

    NotFound in Docker's words; Conflict when several IDs begin so; InvalidInput for what is neither.
    """
    digits = reference.id_prefix(text)
    if digits is None or (len(digits) < 64 and not text.startswith("sha256:")):
        found = _by_name(c, text, digits is None)
        if found is not None:
            return found
    ids = imagedb.find_image(c, digits) if digits else []
    if not ids:
        shown = text if digits else reference.parse(text).with_default_tag().familiar()
        raise NotFound(f"No such image: {shown}")
    if len(ids) > 1:
        raise Conflict(f"image ID {text} is ambiguous: several begin so", hint="give more digits")
    return Named(ids[0], None)


def _by_name(c: sqlite3.Connection, text: str, must: bool) -> Named | None:
    try:
        name = str(reference.parse(text).with_default_tag())
    except InvalidInput:
        if must:
            raise
        return None
    image_id = imagedb.get_tag(c, name)
    return None if image_id is None else Named(image_id, name)
