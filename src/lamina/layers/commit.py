"""The one door through which a layer enters the store.

The order makes a crash harmless at any point: files and folders are on disk before they get their name, the
name is there before the rows are. What dies in between is a temporary folder, or a folder without a row, and
both are cleared away later (store.place says how committers and sweeps keep out of each other's way).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

from lamina.db import cachedb, layerdb, leases
from lamina.db.layerdb import Diff, Layer
from lamina.layers.absent import is_here
from lamina.layers.claims import file_of, settle
from lamina.layers.lookup import EMPTY_DIFF
from lamina.oci import media
from lamina.oci.digest import DiffID
from lamina.store import layerfile
from lamina.store.files import remove_tree
from lamina.store.place import place_diff
from lamina.store.sync import sync_tree
from lamina.tree.content import EMPTY_CONTENT, content_id
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from lamina.layers.context import Layers
    from lamina.oci.digest import ChainID, Digest
    from lamina.tree.entry import Entry

EMPTY_TAR_SIZE = 1024  # two blocks of zeros

# Called inside the transaction that makes the layer known, after its rows are there: for the rows that
# belong with it (the layer's place in a stack, a cache step), so that all of them appear at once.
Also = Callable[[sqlite3.Connection, Diff], object]


def commit_diff(
    ctx: Layers,
    temp: str,
    entries: Collection[Entry],
    diff_id: DiffID,
    tar_size: int,
    *,
    blob: Digest | None = None,
    media_type: str = "",
    also: Also | None = None,
) -> Diff:
    """Makes the folder `temp` the layer `diff_id`, or drops it when that layer is there already.

    `entries` are sorted by path. What is still at `temp` afterwards is its TempFolder's to remove.
    NoSpace, Denied.
    """
    content, size = _content_and_size(entries)
    diff = Diff(diff_id, content, size, tar_size, len(entries), blob, media_type or media.LAYER)
    synced = settled = False
    if not is_here(ctx, diff_id):
        sync_tree(temp, len(entries))
        synced = True
    while True:
        with ctx.db.write() as c:
            if layerdb.put_diff(c, diff):
                cachedb.put_files(c, diff_id, entries)
            elif is_here(ctx, diff_id):
                return _held(ctx, c, layerdb.need_diff(c, diff_id), also)
            elif not settled:  # what was only said of it is right on disk before the folder has its name
                settle(ctx, c, diff, entries)
                settled = True
                continue
            if not synced:
                sync_tree(temp, len(entries))  # the layer that was there has been swept meanwhile
            place_diff(ctx.layout, temp, diff_id)
            return _held(ctx, c, layerdb.need_diff(c, diff_id), also)


def _content_and_size(entries: Iterable[Entry]) -> tuple[str, int]:
    """The content ID, and the bytes in the files, in one pass: there may be more entries than memory."""
    size = 0

    def passing() -> Iterator[Entry]:
        nonlocal size
        for entry in entries:
            if entry.kind is Kind.FILE:
                size += entry.size
            yield entry

    return content_id(passing(), in_order=True), size


def commit_empty(ctx: Layers, *, also: Also | None = None) -> Diff:
    """The layer in which nothing changed: one transaction, and no file after the first time."""
    with ctx.db.write() as c:
        return _held(ctx, c, put_empty(ctx, c), also)


def put_empty(ctx: Layers, c: sqlite3.Connection) -> Diff:
    """Afterwards the layer in which nothing changed is there; for a transaction that holds it, too."""
    diff = layerdb.get_diff(c, DiffID(EMPTY_DIFF))
    if diff is not None and is_here(ctx, diff.diff_id):
        return diff
    diff = diff or Diff(DiffID(EMPTY_DIFF), EMPTY_CONTENT, 0, EMPTY_TAR_SIZE, 0, None, media.LAYER)
    layerdb.put_diff(c, diff)
    with TempFolder(ctx) as temp:
        os.mkdir(temp)
        os.chmod(temp, 0o755)  # whatever the umask is
        place_diff(ctx.layout, temp, diff.diff_id)
    return diff


def reuse_diff(
    ctx: Layers, diff_id: DiffID, *, also: Also | None = None, with_files: bool = False
) -> Diff | None:
    """The layer `diff_id` when the store knows it, held by our lease from now on; else None.

    It may be absent (layers.absent), but not so for who wants it `with_files`.
    """
    with ctx.db.write(durable=also is not None) as c:
        found = layerdb.get_diff(c, diff_id)
        if found is None or (with_files and not is_here(ctx, diff_id)):
            return None
        return _held(ctx, c, found, also)


def stack(
    c: sqlite3.Connection, ctx: Layers, parent: ChainID | None, diff: Diff, created_by: str, created: str
) -> Layer:
    """Puts `diff` on top of `parent`; returns its row, the first one if there are two. Call it in an `also`.

    Our lease holds the layer from now on, and with it all below, whoever made them. `created` is RFC 3339.
    NotFound when `parent` has no row.
    """
    below = layerdb.chain(c, parent)
    layer = layerdb.make_layer(below[-1] if below else None, diff, created_by, created)
    leases.hold(c, ctx.lease.id, leases.LAYER, layer.chain_id)
    found = layerdb.get_layer(c, layer.chain_id)
    if found is not None:
        return found
    parents = tuple([each.diff_id for each in reversed(below)])
    layerfile.write(ctx.layout, ctx.lease, file_of(layer, diff, parents))
    return layerdb.put_layer(c, layer)


class TempFolder:
    """`with TempFolder(ctx) as temp:` a path for the folder of a layer to be; what is left there goes."""

    __slots__ = ("_path",)

    def __init__(self, ctx: Layers) -> None:
        self._path = ctx.temp_path()

    def __enter__(self) -> str:
        return self._path

    def __exit__(self, *_: object) -> None:
        if os.path.lexists(self._path):
            remove_tree(self._path)


def _held(ctx: Layers, c: sqlite3.Connection, diff: Diff, also: Also | None) -> Diff:
    """Keeps the layer from sweeps, and does what belongs in the same transaction."""
    leases.hold(c, ctx.lease.id, leases.DIFF, diff.diff_id)
    if also is not None:
        also(c, diff)
    return diff
