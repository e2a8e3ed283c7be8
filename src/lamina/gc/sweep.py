"""sweep: prune, the removal of images and build cache that are not in use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.cachemounts.removing import Gone, prune
from lamina.db import cachedb, containerdb, contexts, hosted, imagedb, indexdb, traces, urls
from lamina.gc import reach
from lamina.gc.collect import collect
from lamina.layers.context import Layers
from lamina.store.lease import living

if TYPE_CHECKING:
    import sqlite3

    from lamina.gc.context import Context
    from lamina.oci.digest import DiffID, Digest, ImageID


class Freed(NamedTuple):
    """What a sweep removed."""

    bytes: int  # in the files of layers, snapshots and blobs
    layers: tuple[DiffID, ...]
    images: tuple[ImageID, ...]
    blobs: tuple[Digest, ...]
    untagged: tuple[str, ...]  # the names that the images had, in full
    steps: int  # of the build cache
    mounts: tuple[str, ...]  # ids of cache mounts


def sweep(
    ctx: Context, *, cache: bool, all_images: bool, dangling: bool = False, all_cache: bool = False
) -> Freed:
    """Removes what is asked for, then whatever nothing refers to any more (gc.collect).

    `dangling`: images without a name; `all_images`: every image; both without those that a container or
    a living process uses. `cache`: steps whose layer is in no image or container; `all_cache`: every
    step; both with the cache mounts that no build uses now. Without any of these it only clears away what
    was left over.
    """
    with ctx.db.write() as tx:
        now = reach.held(tx, living(ctx.layout))
        images = _idle_images(tx, now, named=all_images) if all_images or dangling else []
        untagged = [tag for image_id in images for tag in imagedb.tags(tx, image_id)]
        for image_id in images:
            imagedb.delete_image(tx, image_id)
        steps = _idle_steps(tx, now, everything=all_cache) if cache or all_cache else []
        for key in steps:
            cachedb.delete_step(tx, key)
        if steps:
            traces.delete_lost(tx)
        _forget_contexts(tx, everything=all_cache)
    done = collect(ctx)
    mounts = prune(Layers(*ctx)) if cache or all_cache else Gone((), 0)
    return Freed(
        done.bytes + mounts.bytes,
        done.diffs,
        tuple(images),
        done.blobs,
        tuple(untagged),
        len(steps),
        tuple([mount.id for mount in mounts.mounts]),
    )


def _idle_images(tx: sqlite3.Connection, now: reach.Held, *, named: bool) -> list[ImageID]:
    """The images that may go; an index goes whole or not at all."""
    served = hosted.documents(tx)
    for index in indexdb.indexes(tx):
        if index.digest not in now.blobs | served and not indexdb.tags(tx, index.digest):
            indexdb.delete_index(tx, index.digest)
    used = {container.image_id for container in containerdb.containers(tx)} | now.images | hosted.images(tx)
    if not named:
        used |= {image_id for _, image_id in imagedb.all_tags(tx)}
    parts: dict[Digest, set[ImageID]] = {}
    for digest, image_id in indexdb.all_members(tx):
        parts.setdefault(digest, set()).add(image_id)
    kept = used.union(*(images for images in parts.values() if images & used))
    return [image.image_id for image in imagedb.images(tx) if image.image_id not in kept]


def _idle_steps(tx: sqlite3.Connection, now: reach.Held, *, everything: bool) -> list[str]:
    used: set[DiffID | None] = {None, *now.diffs}
    if everything:
        used = {*now.diffs}
    else:
        images = [image.image_id for image in imagedb.images(tx)]
        used |= reach.diffs_of(tx, reach.used_layers(tx, now, images))
    return [step.key for step in cachedb.steps(tx) if step.key not in now.steps and step.diff_id not in used]


def _forget_contexts(tx: sqlite3.Connection, *, everything: bool) -> None:
    if everything:
        urls.delete_urls(tx)
    for root in contexts.contexts(tx):
        if everything or not os.path.isdir(root):
            contexts.delete_context(tx, root)
