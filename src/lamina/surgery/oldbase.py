"""The base that an image stands on: what its manifest says of it, else an image with its lowest layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb, names, repodigests
from lamina.db.bases import bases
from lamina.errors import LaminaError
from lamina.oci import reference
from lamina.oci.annotations import BASE_DIGEST, BASE_NAME

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from lamina.oci.digest import ImageID
    from lamina.oci.platform import Platform

ANNOTATED, LAYERS, GIVEN = "annotations", "layers", "given"


class FoundBase(NamedTuple):
    """A base image, and how it was found: by the ANNOTATED manifest, by its LAYERS, or it was GIVEN."""

    image_id: ImageID
    how: str


def annotated(annotations: Mapping[str, str]) -> str:
    """The reference that annotations (image-spec annotations.md) give of the base; "" where they do not."""
    name, digest = annotations.get(BASE_NAME, ""), annotations.get(BASE_DIGEST, "")
    if not name or not digest:
        return ""
    try:
        return str(reference.parse(name)._replace(tag="", digest=None)) + "@" + digest
    except LaminaError:  # anybody writes them
        return ""


def old_base(
    c: sqlite3.Connection,
    image_id: ImageID,
    annotations: Mapping[str, str],
    platform: Platform,
    onto: ImageID | None,
) -> FoundBase | None:
    """The base of an image among those of the store; None where none is known.

    What its manifest says, if the image stands on that; else of the images that have its lowest layers the
    one of the repository that `onto` is of, else the highest with a name, else the highest.
    """
    below = bases(c, image_id)
    named = annotated(annotations)
    if named:
        try:
            found = names.for_platform(c, names.resolve_image(c, named), platform).image_id
        except LaminaError:
            found = None
        if found is not None and any(base.image_id == found for base in below):
            return FoundBase(found, ANNOTATED)
    if not below:
        return None
    wanted = repositories(c, onto) if onto is not None else set()
    of_kin = [base for base in below if wanted & repositories(c, base.image_id)]
    best = of_kin or [base for base in below if base.names] or below
    return FoundBase(best[0].image_id, LAYERS)


def repositories(c: sqlite3.Connection, image_id: ImageID) -> set[str]:
    """The repositories, by their full names, that an image has a name in, or came from."""
    tags = {reference.parse(tag).name for tag in imagedb.tags(c, image_id)}
    return tags | {repository for repository, _ in repodigests.of_image(c, image_id)}
