"""Claims: what rows said of a layer whose bytes were elsewhere, set right when these come.

The bytes are what the diff ID names, so they are right, and whoever said otherwise was not: what rests on a
false content ID goes (the steps that made the layer, those done on it, their traces).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import cachedb, imagedb, layerdb, leases, traces
from lamina.layers.absent import said
from lamina.store import layerfile
from lamina.store.layerfile import LayerFile

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from lamina.db.layerdb import Diff, Layer
    from lamina.layers.context import Layers
    from lamina.oci.digest import ChainID, DiffID
    from lamina.tree.entry import Entry


def settle(ctx: Layers, c: sqlite3.Connection, diff: Diff, entries: Iterable[Entry]) -> None:
    """Sets the rows of an absent layer right by what came; our lease holds it.

    Its folder gets its name in a later transaction: so it never stands beside rows that are wrong.
    """
    leases.hold(c, ctx.lease.id, leases.DIFF, diff.diff_id)
    known = layerdb.need_diff(c, diff.diff_id)  # put_diff has noted the blob
    if not cachedb.same_files(c, diff.diff_id, entries):
        cachedb.replace_files(c, diff.diff_id, entries)
    if said(known) != said(diff):
        layerdb.put_claim(c, diff)
        _rewrite(ctx, c, _forget(c, diff.diff_id))
    elif diff.blob is not None:
        _rewrite(ctx, c, layerdb.layers_using(c, diff.diff_id))


def _forget(c: sqlite3.Connection, diff_id: DiffID) -> Sequence[Layer]:
    """Takes back what rested on a false content ID; the layers whose own content ID is another one now."""
    touched: dict[ChainID, Layer] = {}
    contents: dict[ChainID | None, str | None] = {None: None}
    for layer in layerdb.layers(c):  # parents come first
        if layer.diff_id == diff_id or layer.parent in touched:
            own = layerdb.need_diff(c, layer.diff_id).content_id
            layer = layer._replace(content_id=layerdb.chain_content_id(contents[layer.parent], own))
            layerdb.put_content_id(c, layer)
            touched[layer.chain_id] = layer
        contents[layer.chain_id] = layer.content_id
    imagedb.settle_sizes(c, touched)
    cachedb.delete_steps_on(c, diff_id, touched)
    traces.delete_lost(c)
    return tuple(touched.values())


def _rewrite(ctx: Layers, c: sqlite3.Connection, layers: Iterable[Layer]) -> None:
    """The files of these layers say again what the rows do."""
    for layer in layers:
        parents = tuple([each.diff_id for each in reversed(layerdb.chain(c, layer.parent))])
        layerfile.delete(ctx.layout, layer.chain_id)
        layerfile.write(ctx.layout, ctx.lease, file_of(layer, layerdb.need_diff(c, layer.diff_id), parents))


def file_of(layer: Layer, diff: Diff, parents: tuple[DiffID, ...]) -> LayerFile:
    """What the file of a layer says; `parents` are the diff IDs below it, top first."""
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
