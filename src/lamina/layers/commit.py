"""The one door through which a layer enters the store (order of writes: see commit_diff)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

from lamina.db.layerdb import Diff, Layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.layers.context import Layers
    from lamina.oci.digest import ChainID, Digest, DiffID
    from lamina.tree.entry import Entry

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

    Files are on disk before the rename, the rename before the rows. `entries` are sorted by path.
    """
    raise NotImplementedError


def commit_empty(ctx: Layers, *, also: Also | None = None) -> Diff:
    """The layer in which nothing changed: one transaction, and no file after the first time."""
    raise NotImplementedError


def reuse_diff(ctx: Layers, diff_id: DiffID, *, also: Also | None = None) -> Diff | None:
    """The layer `diff_id` when the store has it, held by our lease from now on; else None."""
    raise NotImplementedError


def stack(
    c: sqlite3.Connection, ctx: Layers, parent: ChainID | None, diff: Diff, created_by: str, created: str
) -> Layer:
    """Puts `diff` on top of `parent` and returns the row of the stack (layerdb.Layer). Call it in an `also`."""
    raise NotImplementedError
