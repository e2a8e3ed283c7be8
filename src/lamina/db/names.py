"""From what a user types to the image that is meant."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb
from lamina.errors import Conflict, InvalidInput, NotFound
from lamina.oci import reference
from lamina.oci.platform import Platform

if TYPE_CHECKING:
    import sqlite3

    from lamina.oci.digest import Digest, ImageID


class Named(NamedTuple):
    """An image, and the name by which it was found; None when that was its ID or the start of it.

    `index_digest` is the index that the name stands for, if it stands for more than the image (db.indexdb).
    """

    image_id: ImageID
    tag: str | None
    index_digest: Digest | None = None


def resolve_image(c: sqlite3.Connection, text: str) -> Named:
    """The image with this name, or else with an ID that begins so (a whole ID is never a name).

    The digest of an index finds the image of it that a tag would show. NAME@DIGEST finds what has the digest
    as its manifest or index, here or where it was pushed, whatever NAME is. NotFound in Docker's words;
    Conflict when several IDs begin so; InvalidInput for what is neither.
    """
    digits = reference.id_prefix(text)
    if digits is None or (len(digits) < 64 and not text.startswith("sha256:")):
        found = _by_name(c, text, digits is None)
        if found is not None:
            return found
    ids = [Named(image_id, None) for image_id in imagedb.find_image(c, digits)] if digits else []
    if digits and len(ids) < 2 and not (ids and len(digits) == 64):
        ids += _indexes(c, digits)
    if not ids:
        shown = text if digits else reference.parse(text).with_default_tag().familiar()
        raise NotFound(f"No such image: {shown}")
    if len(ids) > 1:
        raise Conflict(f"image ID {text} is ambiguous: several begin so", hint="give more digits")
    return ids[0]


def for_platform(c: sqlite3.Connection, found: Named, platform: Platform) -> Named:
    """The same for a platform: of an index its image for it. NotFound in Docker's words.

    The answer is that image alone, without the index.
    """
    fits, have = [], []
    for image_id in dict.fromkeys([found.image_id, *_members(c, found.index_digest)]):
        image = imagedb.need_image(c, image_id)
        own = Platform(image.os, image.architecture, image.variant)
        distance = own.distance(platform)
        if distance is not None:
            fits.append((distance, image_id))
        have.append(str(own))
    if fits:
        return Named(min(fits, key=itemgetter(0))[1], found.tag)
    shown = reference.parse(found.tag).familiar() if found.tag else found.image_id
    raise NotFound(
        f"image with reference {shown} was found but does not match the specified platform: "
        f"wanted {platform}, actual: {', '.join(dict.fromkeys(have))}"
    )


def _members(c: sqlite3.Connection, index: Digest | None) -> list[ImageID]:
    if index is None:
        return []
    from lamina.db import indexdb  # most names stand for an image alone

    return [member.image_id for member in indexdb.members(c, index)]


def _indexes(c: sqlite3.Connection, digits: str) -> list[Named]:
    from lamina.db import indexdb  # as above

    return [Named(row.image_id, None, row.digest) for row in indexdb.find_index(c, digits)]


def _by_name(c: sqlite3.Connection, text: str, must: bool) -> Named | None:
    try:
        meant = reference.parse(text).with_default_tag()
    except InvalidInput:
        if must:
            raise
        return None
    if meant.digest is not None:
        return _by_digest(c, meant.digest)
    name = str(meant)
    found = imagedb.find_tag(c, name)
    return None if found is None else Named(found.image_id, name, found.index_digest)


def _by_digest(c: sqlite3.Connection, digest: Digest) -> Named | None:
    """NAME@DIGEST: the index or the manifest with this digest, wherever it came from."""
    from lamina.db import indexdb, repodigests  # as above

    index = indexdb.get_index(c, digest)
    if index is not None:
        return Named(index.image_id, None, digest)
    image_id = indexdb.find_manifest(c, digest) or repodigests.find(c, digest)
    return None if image_id is None else Named(image_id, None)
