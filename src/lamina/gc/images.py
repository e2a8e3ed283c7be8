"""remove_image: takes away an image's name, or the image (docker rmi).

Its layers go with it unless another image, a container or the build cache has them; those of the build
cache stay until `sweep(cache=True)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import containerdb, imagedb, names
from lamina.errors import Conflict
from lamina.gc.collect import collect
from lamina.oci import reference
from lamina.oci.digest import ImageID, hex_of

if TYPE_CHECKING:
    import sqlite3

    from lamina.gc.context import Context


class Untagged(NamedTuple):
    """A name that was taken away, as Docker shows it: `busybox:latest`."""

    name: str


class Deleted(NamedTuple):
    """An image, or a layer of it, that was removed: an image ID or a chain ID."""

    id: str


def remove_image(ctx: Context, name: str, *, force: bool = False) -> list[Untagged | Deleted]:
    """Removes the name `name`; the image too when that was its last, or when `name` is its ID.

    Conflict, in Docker's words, when a container uses the image, or when an ID is given and it has
    several names; `force` overrides both, but for running containers. NotFound. All or nothing.
    """
    with ctx.db.write() as tx:
        found = names.resolve_image(tx, name)
        removed = _untag(tx, found, name, force)
        layers = []
        if not imagedb.tags(tx, found.image_id):
            layers = imagedb.layers_of(tx, found.image_id)
            imagedb.delete_image(tx, found.image_id)
            removed.append(Deleted(found.image_id))
    if layers or removed[-1] == Deleted(found.image_id):
        gone = set(collect(ctx).layers)
        removed += [Deleted(layer) for layer in reversed(layers) if layer in gone]
    return removed


def _untag(tx: sqlite3.Connection, found: names.Named, name: str, force: bool) -> list[Untagged | Deleted]:
    tags = imagedb.tags(tx, found.image_id)
    if found.tag is not None:
        if len(tags) == 1:
            _check_last_tag(tx, found.image_id, name, force)
        tags = [found.tag]
    else:
        _check_image(tx, found.image_id, force, several=len(tags) > 1)
    for tag in tags:
        imagedb.delete_tag(tx, tag)
    return [Untagged(reference.parse(tag).familiar()) for tag in tags]


def _check_last_tag(tx: sqlite3.Connection, image_id: ImageID, name: str, force: bool) -> None:
    """Without its last name an image goes: not while a container uses it."""
    containers = containerdb.using_image(tx, image_id)
    if containers and not force:
        raise Conflict(
            f'conflict: unable to remove repository reference "{name}" (must force) - '
            f"container {containers[0].id[:12]} is using its referenced image {_short(image_id)}",
            hint=f"remove the container first: lamina rm {containers[0].name}",
        )
    _check_image(tx, image_id, force, several=False)


def _check_image(tx: sqlite3.Connection, image_id: ImageID, force: bool, *, several: bool) -> None:
    containers = containerdb.using_image(tx, image_id)
    if containers and containers[0].state == containerdb.RUNNING:
        why = f"image is being used by running container {containers[0].id[:12]}"
        raise _conflict(image_id, "cannot be forced", why)
    if force:
        return
    if several:
        raise _conflict(image_id, "must be forced", "image is referenced in multiple repositories")
    if containers:
        why = f"image is being used by stopped container {containers[0].id[:12]}"
        raise _conflict(image_id, "must be forced", why)


def _conflict(image_id: ImageID, how: str, why: str) -> Conflict:
    return Conflict(f"conflict: unable to delete {_short(image_id)} ({how}) - {why}")


def _short(image_id: ImageID) -> str:
    return hex_of(image_id)[:12]
