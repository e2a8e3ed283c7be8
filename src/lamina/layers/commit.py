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
from lamina.layers.lookup import EMPTY_DIFF
from lamina.oci import media
from lamina.oci.digest import DiffID
from lamina.store import layerfile
from lamina.store.files import remove_tree
from lamina.store.layerfile import LayerFile
from lamina.store.place import place_diff
from lamina.store.sync import sync_tree
from lamina.tree.content import EMPTY_CONTENT, content_id
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    entries: Sequence[Entry],
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
    size = sum([entry.size for entry in entries if entry.kind is Kind.FILE])
    diff = Diff(diff_id, content_id(entries), size, tar_size, len(entries), blob, media_type or media.LAYER)
    new = layerdb.get_diff(ctx.db.read(), diff_id) is None
    if new:
        sync_tree(temp, len(entries))
    with ctx.db.write() as c:
        if layerdb.put_diff(c, diff):
            if not new:
                sync_tree(temp, len(entries))  # the layer that was there has been swept meanwhile
            place_diff(ctx.layout, temp, diff_id)
            cachedb.put_files(c, diff_id, entries)
        return _held(ctx, c, layerdb.need_diff(c, diff_id), also)


def commit_empty(ctx: Layers, *, also: Also | None = None) -> Diff:
    """The layer in which nothing changed: one transaction, and no file after the first time."""
    diff_id = DiffID(EMPTY_DIFF)
    with ctx.db.write() as c:
        diff = layerdb.get_diff(c, diff_id)
        if diff is None:
            diff = Diff(diff_id, EMPTY_CONTENT, 0, EMPTY_TAR_SIZE, 0, None, media.LAYER)
            layerdb.put_diff(c, diff)
            with TempFolder(ctx) as temp:
                os.mkdir(temp)
                os.chmod(temp, 0o755)  # whatever the umask is
                place_diff(ctx.layout, temp, diff_id)
        return _held(ctx, c, diff, also)


def reuse_diff(ctx: Layers, diff_id: DiffID, *, also: Also | None = None) -> Diff | None:
    """The layer `diff_id` when the store has it, held by our lease from now on; else None."""
    with ctx.db.write(durable=also is not None) as c:
        found = layerdb.get_diff(c, diff_id)
        return None if found is None else _held(ctx, c, found, also)


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
    layerfile.write(ctx.layout, ctx.lease, _file_of(layer, diff, parents))
    return layerdb.put_layer(c, layer)


class TempFolder:
    """`with TempFolder(ctx) as temp:` a path for the folder of a layer to be; what is left there goes."""

    __slots__ = ("_path",)

    def __init__(self, ctx: Layers) -> None:
        self._path = f"{ctx.layout.diff}/{ctx.lease.temp_name()}"

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


def _file_of(layer: Layer, diff: Diff, parents: tuple[DiffID, ...]) -> LayerFile:
    return LayerFile(
        chain_id=layer.chain_id,
        diff_id=diff.diff_id,
        parents=parents,
        content_id=diff.content_id,
        chain_content_id=layer.content_id,
        size=diff.size,
        tar_size=diff.tar_size,
        entries=diff.entries,
        blob=diff.blob,
        media_type=diff.media_type,
        created_by=layer.created_by,
        created=layer.created,
    )
