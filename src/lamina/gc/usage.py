"""usage: what the store takes of the disk, and how much of it could come back (docker system df)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.cachemounts.listing import listing
from lamina.db import cachedb, containerdb, imagedb, layerdb
from lamina.db.recorded import KEPT
from lamina.errors import Corrupt, InvalidInput, NotFound
from lamina.gc import reach
from lamina.layers.context import Layers
from lamina.oci.digest import DiffID
from lamina.snapshot.active import Shelf
from lamina.snapshot.probe import named
from lamina.store.layout import temp_owner
from lamina.store.lease import living
from lamina.store.sync import tree_size

if TYPE_CHECKING:
    import sqlite3

    from lamina.gc.context import Context


class Share(NamedTuple):
    """What one kind of thing takes. Sizes are bytes in files."""

    total: int
    active: int  # of `total`, in use
    size: int
    reclaimable: int  # of `size`, not in use


class Usage(NamedTuple):
    """The shares of a store. No byte counts twice; a layer counts as images' when an image has it.

    A layer that is elsewhere takes nothing.
    """

    images: Share  # active: a container is made from it
    containers: Share  # active: running; the size is that of mnt/ID
    cache: Share  # steps that made a layer; the size is that of folders in no image
    blobs: Share  # active: an image or a layer refers to it
    mounts: Share  # cache mounts; active: a build uses them now


def usage(ctx: Context) -> Usage:
    """Counts it all, from rows and, for containers and blobs, from the disk."""
    mounts = _mounts(ctx)
    with ctx.db.snapshot() as c:
        now = reach.held(c, living(ctx.layout))
        here = set(os.listdir(ctx.layout.diff))
        sizes = {diff.diff_id: diff.size if diff.diff_id[7:] in here else 0 for diff in layerdb.diffs(c)}
        in_images = _image_diffs(c)
        return Usage(
            _images(c, sizes, in_images),
            _containers(c, ctx),
            _cache(c, sizes, in_images, now, _strays(ctx, sizes)),
            _blobs(c, ctx, now),
            mounts,
        )


def _image_diffs(c: sqlite3.Connection) -> set[DiffID]:
    layers = {layer.chain_id: layer.diff_id for layer in layerdb.layers(c)}
    ids = [image.image_id for image in imagedb.images(c)]
    return {layers[chain_id] for image_id in ids for chain_id in imagedb.layers_of(c, image_id)}


def _images(c: sqlite3.Connection, sizes: dict[DiffID, int], in_images: set[DiffID]) -> Share:
    ids = [image.image_id for image in imagedb.images(c)]
    active = {container.image_id for container in containerdb.containers(c)}.intersection(ids)
    chains = {container.chain_id for container in containerdb.containers(c)}
    used = {layer.diff_id for chain_id in chains for layer in layerdb.chain(c, chain_id)}
    size = sum([sizes[diff_id] for diff_id in in_images])
    return Share(len(ids), len(active), size, sum([sizes[diff_id] for diff_id in in_images - used]))


def _containers(c: sqlite3.Connection, ctx: Context) -> Share:
    size = reclaimable = running = 0
    containers = containerdb.containers(c)
    for container in containers:
        taken = tree_size(ctx.layout.snapshot_dir(container.id))
        size += taken
        if container.state == containerdb.RUNNING:
            running += 1
        else:
            reclaimable += taken
    return Share(len(containers), running, size, reclaimable)


def _strays(ctx: Context, sizes: dict[DiffID, int]) -> int:
    """Bytes that the next prune removes: what failed steps left, and folders without a row of the dead."""
    names = [name for name in os.listdir(ctx.layout.diff) if temp_owner(name) is None]
    strays = [name for name in names if DiffID("sha256:" + name) not in sizes]
    kept = [info for info in Shelf(ctx.layout.mnt).walk() if info.key.startswith(KEPT)]
    size = sum([named(info.snapshotter, ctx.layout).usage(info.key).size for info in kept])
    return size + sum([tree_size(f"{ctx.layout.diff}/{name}") for name in strays])


def _cache(
    c: sqlite3.Connection, sizes: dict[DiffID, int], in_images: set[DiffID], now: reach.Held, strays: int
) -> Share:
    steps = [step.diff_id for step in cachedb.steps(c) if step.diff_id is not None]
    used = in_images | reach.diffs_of(c, reach.used_layers(c, now, ())) | now.diffs
    outside = sizes.keys() - in_images
    return Share(
        len(steps),
        len([diff_id for diff_id in steps if diff_id in used]),
        sum([sizes[diff_id] for diff_id in outside]) + strays,
        sum([sizes[diff_id] for diff_id in outside - used]) + strays,
    )


def _mounts(ctx: Context) -> Share:
    found = listing(Layers(*ctx))
    active = [mount for mount in found if mount.in_use]
    size = sum([mount.size for mount in found])
    return Share(len(found), len(active), size, size - sum([mount.size for mount in active]))


def _blobs(c: sqlite3.Connection, ctx: Context, now: reach.Held) -> Share:
    blobs = list(ctx.blobs.walk())
    size = sum([blob.size for blob in blobs])
    try:
        used = reach.used_blobs(c, ctx.blobs, now)
    except (Corrupt, NotFound, InvalidInput):  # a damaged manifest: then none of them may go
        used = {blob.digest for blob in blobs}
    idle = [blob.size for blob in blobs if blob.digest not in used]
    return Share(len(blobs), len(blobs) - len(idle), size, sum(idle))
