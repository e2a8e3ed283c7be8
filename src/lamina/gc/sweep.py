"""sweep: prune, the removal of images and build cache that are not in use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.db import cachedb, containerdb, contexts, imagedb
from lamina.gc import reach
from lamina.gc.collect import collect
from lamina.store.lease import living

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Container

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


def sweep(
    ctx: Context, *, cache: bool, all_images: bool, dangling: bool = False, all_cache: bool = False
) -> Freed:
    """Removes what is asked for, then whatever nothing refers to any more (gc.collect).

    `dangling`: images without a name; `all_images`: every image; both without those that a container or
    a living process uses. `cache`: steps whose layer is in no image or container; `all_cache`: every
    step. Without any of them it only clears away what was left over.
    """
    with ctx.db.write() as tx:
        now = reach.held(tx, living(ctx.layout))
        untagged: list[str] = []
        images = _idle_images(tx, now, named=all_images) if all_images or dangling else []
        for image_id in images:
            untagged += imagedb.tags(tx, image_id)
            imagedb.delete_image(tx, image_id)
        steps = _idle_steps(tx, now, everything=all_cache) if cache or all_cache else []
        for key in steps:
            cachedb.delete_step(tx, key)
        _forget_contexts(tx, everything=all_cache)
    done = collect(ctx)
    return Freed(done.bytes, done.diffs, tuple(images), done.blobs, tuple(untagged), len(steps))


def _idle_images(tx: sqlite3.Connection, now: reach.Held, *, named: bool) -> list[ImageID]:
    used = {container.image_id for container in containerdb.containers(tx)} | now.images
    tagged: Container[ImageID] = () if named else {image_id for _, image_id in imagedb.all_tags(tx)}
    ids = [image.image_id for image in imagedb.images(tx)]
    return [image_id for image_id in ids if image_id not in used and image_id not in tagged]


def _idle_steps(tx: sqlite3.Connection, now: reach.Held, *, everything: bool) -> list[str]:
    used: set[DiffID | None] = {None, *now.diffs}
    if everything:
        used = {*now.diffs}
    else:
        images = [image.image_id for image in imagedb.images(tx)]
        used |= reach.diffs_of(tx, reach.used_layers(tx, now, images))
    return [step.key for step in cachedb.steps(tx) if step.key not in now.steps and step.diff_id not in used]


def _forget_contexts(tx: sqlite3.Connection, *, everything: bool) -> None:
    for root in contexts.contexts(tx):
        if everything or not os.path.isdir(root):
            contexts.delete_context(tx, root)
