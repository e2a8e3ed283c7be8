"""Removes what nothing refers to: rows first, then the names, then the bytes.

A death between any two of these leaves rows that are right, and on disk at most things that no row
names; the next `collect` removes those. Who commits at the same time is kept out by the database's write
lock (store.place); blobs, which have no rows of their own, by their time (store.blobs).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.cachemounts import removing
from lamina.db import cachedb, containerdb, layerdb, packed
from lamina.errors import Conflict, Corrupt, InvalidInput, NotFound
from lamina.gc import reach
from lamina.gc.recover import recover
from lamina.layers.context import Layers
from lamina.oci.digest import ChainID, DiffID, Digest, hex_of
from lamina.store import layerfile
from lamina.store.files import remove_tree
from lamina.store.layout import temp_owner
from lamina.store.lease import living
from lamina.store.place import take_diff
from lamina.store.recover import is_older, remove_strays
from lamina.store.sync import tree_size

if TYPE_CHECKING:
    from lamina.gc.context import Context


class Collected(NamedTuple):
    """What went: the rows of layers, top ones first; folders of layers; blobs; and the bytes in them."""

    layers: tuple[ChainID, ...]
    diffs: tuple[DiffID, ...]
    blobs: tuple[Digest, ...]
    bytes: int


def collect(ctx: Context) -> Collected:
    """Removes layers, folders and blobs that no image, container, step or living process refers to.

    A blob or folder without a row that came after another living process began is left: that process may
    be about to refer to it. Within one process, do not collect while another thread writes.
    Cache mounts stay, but for those that no build finds any more.
    Conflict when something is mounted in a layer that would go.
    """
    recover(ctx.layout, ctx.db)
    remove_strays(ctx.layout)
    before = _oldest(ctx)
    with ctx.db.write() as tx:
        gone = reach.dead(tx, reach.held(tx, living(ctx.layout)))
        for layer in gone.layers:
            layerdb.delete_layer(tx, layer.chain_id)
        for diff in gone.diffs:
            layerdb.delete_diff(tx, diff.diff_id)
    dead = {diff.diff_id: diff.size for diff in gone.diffs}
    diffs, freed = _remove_diffs(ctx, dead, before)
    _remove_layer_files(ctx)
    freed += _remove_snapshots(ctx, before)
    freed += removing.settle(Layers(*ctx), before) + removing.prune(Layers(*ctx), detached=True).bytes
    blobs, freed_blobs = _remove_blobs(ctx, before)
    _forget_places(ctx)
    layers = tuple([layer.chain_id for layer in gone.layers])
    return Collected(layers, diffs, blobs, freed + freed_blobs)


def _oldest(ctx: Context) -> int:
    """What is older than this was left by nobody who lives: when the oldest other process began, or now."""
    now = ctx.lease.stamp(ctx.layout.diff)  # first, so that whoever begins after the look is later than it
    return min([now, *(since for lease_id, since in living(ctx.layout).items() if lease_id != ctx.lease.id)])


def _remove_diffs(ctx: Context, dead: dict[DiffID, int], before: int) -> tuple[tuple[DiffID, ...], int]:
    """Removes the folders of these diffs, and those that no row names; but none that has a row (again).

    `dead` are diffs and the bytes in their files.
    """
    taken: list[tuple[DiffID, str]] = []
    with ctx.db.write(durable=False) as tx:
        known = {diff.diff_id for diff in layerdb.diffs(tx)}
        for name in os.listdir(ctx.layout.diff):
            diff_id = DiffID("sha256:" + name)
            if len(name) != 64 or diff_id in known:
                continue
            if diff_id in dead or is_older(f"{ctx.layout.diff}/{name}", before):
                temp = take_diff(ctx.layout, ctx.lease, diff_id)
                if temp is not None:
                    taken.append((diff_id, temp))
    freed = 0
    for diff_id, temp in taken:
        size = dead.get(diff_id)
        freed += tree_size(temp) if size is None else size
        remove_tree(temp)
    return tuple([diff_id for diff_id, _ in taken]), freed


def _remove_layer_files(ctx: Context) -> None:
    names = set(layerfile.walk(ctx.layout))
    with ctx.db.write(durable=False) as tx:
        for chain_id in names - {layer.chain_id for layer in layerdb.layers(tx)}:
            layerfile.delete(ctx.layout, chain_id)


def _remove_snapshots(ctx: Context, before: int) -> int:
    """Removes folders in mnt/ that are no container's, no row's, and no living process's. Bytes freed."""
    with ctx.db.snapshot() as c:
        known = {container.id for container in containerdb.containers(c)}
        known.update([writable.key for writable in cachedb.writables(c)])
    freed = 0
    for name in os.listdir(ctx.layout.mnt):
        path = f"{ctx.layout.mnt}/{name}"
        if name in known or temp_owner(name) is not None or not is_older(path, before):
            continue
        size = tree_size(path)
        try:
            remove_tree(path)
        except Conflict:  # mounted: in use by whoever mounted it
            continue
        freed += size
    return freed


def _forget_places(ctx: Context) -> None:
    """Where blobs are that nothing here names any more is not worth knowing."""
    lost = [digest for digest in packed.unnamed(ctx.db.read()) if not ctx.blobs.has(digest)]
    if lost:
        with ctx.db.write(durable=False) as tx:
            packed.forget_all_places(tx, lost)


def _remove_blobs(ctx: Context, before: int) -> tuple[tuple[Digest, ...], int]:
    with ctx.db.snapshot() as c:
        try:
            used = reach.used_blobs(c, ctx.blobs, reach.held(c, living(ctx.layout)))
        except (Corrupt, NotFound, InvalidInput):
            return (), 0  # with one manifest damaged, better keep too much than lose what it named
    freed, gone = 0, []
    for blob in list(ctx.blobs.walk()):
        if blob.digest not in used:
            size = ctx.blobs.delete(blob.digest, before)
            if not ctx.blobs.has(blob.digest):
                freed += size
                gone.append(blob.digest)
    return tuple(sorted(gone, key=hex_of)), freed
