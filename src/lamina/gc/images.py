"""remove_image: takes away an image's name, or the image (docker rmi).

Its layers go with it unless another image, a container or the build cache has them; those of the build
cache stay until `sweep(cache=True)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import containerdb, hosted, imagedb, indexdb, names, repodigests
from lamina.errors import Conflict
from lamina.gc.collect import collect
from lamina.oci import reference
from lamina.oci.digest import Digest, ImageID, short

if TYPE_CHECKING:
    import sqlite3

    from lamina.gc.context import Context


class Untagged(NamedTuple):
    """A name that was taken away, as Docker shows it: `busybox:latest`."""

    name: str


class Deleted(NamedTuple):
    """An image, or a layer of it, that was removed: an image ID or a chain ID."""

    id: str


class _Doomed(NamedTuple):
    """What a removal takes: names, indexes that have none left, and images that nothing refers to then."""

    tags: list[str]
    indexes: list[Digest]
    images: list[ImageID]


def remove_image(ctx: Context, name: str, *, force: bool = False) -> list[Untagged | Deleted]:
    """Removes the name `name`; the image too when that was its last, or when `name` is its ID.

    All images of an index go with its last name. Conflict, in Docker's words, when a container uses an
    image that would go, when an ID is given and it has several names, or when it is only part of what a
    name stands for; `force` overrides these, but for running containers. NotFound. All or nothing.
    """
    with ctx.db.write() as tx:
        found = names.resolve_image(tx, name)
        doomed = _doomed(tx, found)
        _check(tx, found, doomed, name, force)
        untagged = [name for tag in doomed.tags for name in _take_name(tx, tag)]
        for digest in doomed.indexes:
            indexdb.delete_index(tx, digest)
        hosted.forget(tx, [*doomed.indexes, *(d for i in doomed.images for d in hosted.of_image(tx, i))])
        layers = [layer for image_id in doomed.images for layer in imagedb.layers_of(tx, image_id)[::-1]]
        for image_id in doomed.images:
            imagedb.delete_image(tx, image_id)
    removed: list[Untagged | Deleted] = [Untagged(reference.parse(tag).familiar()) for tag in untagged]
    removed += [Deleted(image_id) for image_id in doomed.images]
    if doomed.images or doomed.indexes:
        gone = set(collect(ctx).layers)
        removed += [Deleted(layer) for layer in dict.fromkeys(layers) if layer in gone]
    return removed


def _take_name(tx: sqlite3.Connection, tag: str) -> list[str]:
    """Removes a tag, and with the last one of a repository the digests that an image has there, as Docker."""
    image_id = imagedb.get_tag(tx, tag)
    imagedb.delete_tag(tx, tag)
    repository = reference.parse(tag).name
    if image_id is None or any(
        reference.parse(other).name == repository for other in imagedb.tags(tx, image_id)
    ):
        return [tag]
    return [tag, *(f"{repository}@{digest}" for digest in repodigests.forget(tx, image_id, repository))]


def _doomed(tx: sqlite3.Connection, found: names.Named) -> _Doomed:
    tags: list[str]
    indexes: list[Digest | None]
    if found.tag is not None:
        tags, indexes = [found.tag], [found.index_digest]
    elif found.index_digest is not None:
        tags, indexes = indexdb.tags(tx, found.index_digest), [found.index_digest]
    else:
        indexes = [*indexdb.indexes_with(tx, found.image_id)]
        inside = [tag for digest in indexes if digest for tag in indexdb.tags(tx, digest)]
        tags = sorted({*imagedb.tags(tx, found.image_id), *inside})
    going = [digest for digest in indexes if digest and not set(indexdb.tags(tx, digest)) - set(tags)]
    images = [found.image_id, *(each.image_id for digest in going for each in indexdb.members(tx, digest))]
    return _Doomed(
        tags, going, [each for each in dict.fromkeys(images) if not _is_named(tx, each, set(tags))]
    )


def _is_named(tx: sqlite3.Connection, image_id: ImageID, without: set[str]) -> bool:
    """Whether an image, or an index with it, has another name than these."""
    tags = set(imagedb.tags(tx, image_id))
    for digest in indexdb.indexes_with(tx, image_id):
        tags.update(indexdb.tags(tx, digest))
    return bool(tags - without)


def _check(tx: sqlite3.Connection, found: names.Named, doomed: _Doomed, name: str, force: bool) -> None:
    for image_id in doomed.images:
        if found.tag is not None:
            _check_last_tag(tx, image_id, name, force)
        else:
            _check_image(tx, image_id, force, several=len(doomed.tags) > 1)
    if found.tag is None and found.index_digest is None and not force:
        parts = [tag for tag in doomed.tags if tag not in imagedb.tags(tx, found.image_id)]
        if parts:
            shown = reference.parse(parts[0]).familiar()
            raise _conflict(found.image_id, "must be forced", f"image is part of what {shown} stands for")


def _check_last_tag(tx: sqlite3.Connection, image_id: ImageID, name: str, force: bool) -> None:
    """Without its last name an image goes: not while a container uses it."""
    containers = containerdb.using_image(tx, image_id)
    if containers and not force:
        raise Conflict(
            f'conflict: unable to remove repository reference "{name}" (must force) - '
            f"container {containers[0].id[:12]} is using its referenced image {short(image_id)}",
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
    return Conflict(f"conflict: unable to delete {short(image_id)} ({how}) - {why}")
