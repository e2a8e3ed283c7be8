"""layerdb: layers, their parents, and the instruction that built each one.

A Diff is what one layer changes, whatever lies below; a Layer is a Diff on top of a chain of others.
Every `put` means "the row is there": it may have been before, and the first one stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import NotFound
from lamina.oci.digest import ChainID, DiffID, Digest, chain_id, sha256

if TYPE_CHECKING:
    import sqlite3


class Diff(NamedTuple):
    """One layer's changes; its files are in cachedb, its bytes in diff/HEX."""

    diff_id: DiffID
    content_id: str  # tree.content: what it contains, without times
    size: int  # bytes in its files
    tar_size: int  # bytes of its uncompressed tar
    entries: int
    blob: Digest | None  # the layer archive as it was received, if that is kept
    media_type: str  # of `blob`; of an uncompressed layer when there is none


class Layer(NamedTuple):
    """One layer on top of its parents."""

    chain_id: ChainID
    parent: ChainID | None
    diff_id: DiffID
    content_id: str  # of the whole chain: see `chain_content_id`
    created_by: str
    created: str  # RFC 3339
    depth: int  # 1 for a layer without a parent


_DIFF = "diff_id, content_id, size, tar_size, entries, blob, media_type"
_LAYER = "chain_id, parent, diff_id, content_id, created_by, created, depth"


def chain_content_id(parent: str | None, diff: str) -> str:
    """The content ID of a chain: of its parent's and its own diff's (the diff's own for the first layer)."""
    return diff if parent is None else sha256(f"{parent} {diff}".encode())[7:]


def make_layer(parent: Layer | None, diff: Diff, created_by: str, created: str) -> Layer:
    """The Layer that `diff` makes on top of `parent`; touches no database."""
    return Layer(
        chain_id=chain_id(parent.chain_id if parent else None, diff.diff_id),
        parent=parent.chain_id if parent else None,
        diff_id=diff.diff_id,
        content_id=chain_content_id(parent.content_id if parent else None, diff.content_id),
        created_by=created_by,
        created=created,
        depth=parent.depth + 1 if parent else 1,
    )


def put_diff(c: sqlite3.Connection, diff: Diff) -> bool:
    """Afterwards the diff has a row; False when it had one. The blob is noted when the row had none.

    The caller adds the file rows (cachedb.put_files) when this returns True, and holds the diff
    (leases.hold) in the same transaction, so that no sweep takes it before something refers to it.
    """
    done = c.execute(
        f"INSERT INTO diffs ({_DIFF}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (diff_id) DO NOTHING", diff
    )
    if done.rowcount:
        return True
    if diff.blob is not None:
        c.execute(
            "UPDATE diffs SET blob = ?, media_type = ? WHERE diff_id = ? AND blob IS NULL",
            (diff.blob, diff.media_type, diff.diff_id),
        )
    return False


def get_diff(c: sqlite3.Connection, diff_id: DiffID) -> Diff | None:
    """The row of a diff, or None."""
    row = c.execute(f"SELECT {_DIFF} FROM diffs WHERE diff_id = ?", (diff_id,)).fetchone()
    return Diff._make(row) if row else None


def need_diff(c: sqlite3.Connection, diff_id: DiffID) -> Diff:
    """The row of a diff. NotFound."""
    found = get_diff(c, diff_id)
    if found is None:
        raise NotFound(f"layer {diff_id} is not in the store")
    return found


def diffs(c: sqlite3.Connection) -> list[Diff]:
    """All diffs, in the order they came."""
    return [Diff._make(row) for row in c.execute(f"SELECT {_DIFF} FROM diffs ORDER BY num")]


def put_claim(c: sqlite3.Connection, diff: Diff) -> None:
    """The row of a diff says from now on of its content what this one does (layers.claims)."""
    c.execute(
        "UPDATE diffs SET content_id = ?, size = ?, tar_size = ?, entries = ? WHERE diff_id = ?",
        (diff.content_id, diff.size, diff.tar_size, diff.entries, diff.diff_id),
    )


def delete_diff(c: sqlite3.Connection, diff_id: DiffID) -> None:
    """Afterwards neither the diff nor its files have rows. Conflict when a layer or step still has it."""
    c.execute("DELETE FROM diffs WHERE diff_id = ?", (diff_id,))


def put_layer(c: sqlite3.Connection, layer: Layer) -> Layer:
    """Afterwards the layer has a row, which is returned: the first stays. Its parent and diff need theirs."""
    done = c.execute(
        f"INSERT INTO layers ({_LAYER}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (chain_id) DO NOTHING", layer
    )
    return layer if done.rowcount else need_layer(c, layer.chain_id)


def put_content_id(c: sqlite3.Connection, layer: Layer) -> None:
    """The row of a layer has this content ID from now on (layers.claims)."""
    c.execute("UPDATE layers SET content_id = ? WHERE chain_id = ?", (layer.content_id, layer.chain_id))


def get_layer(c: sqlite3.Connection, chain: ChainID) -> Layer | None:
    """The row of a layer, or None."""
    row = c.execute(f"SELECT {_LAYER} FROM layers WHERE chain_id = ?", (chain,)).fetchone()
    return Layer._make(row) if row else None


def need_layer(c: sqlite3.Connection, chain: ChainID) -> Layer:
    """The row of a layer. NotFound."""
    found = get_layer(c, chain)
    if found is None:
        raise NotFound(f"layer {chain} is not in the store")
    return found


def chain(c: sqlite3.Connection, top: ChainID | None) -> list[Layer]:
    """A layer with all those below it, bottom first; [] for None. NotFound when one has no row."""
    if top is None:
        return []
    rows = c.execute(
        f"""WITH RECURSIVE up (name) AS (
            SELECT ? UNION ALL SELECT layers.parent FROM up JOIN layers ON layers.chain_id = up.name)
        SELECT {_LAYER} FROM up JOIN layers ON layers.chain_id = up.name ORDER BY depth""",
        (top,),
    ).fetchall()
    if not rows:
        raise NotFound(f"layer {top} is not in the store")
    return [Layer._make(row) for row in rows]


def children(c: sqlite3.Connection, parent: ChainID | None) -> list[Layer]:
    """The layers that stand directly on this one; on nothing for None."""
    rows = c.execute(f"SELECT {_LAYER} FROM layers WHERE parent IS ? ORDER BY chain_id", (parent,))
    return [Layer._make(row) for row in rows]


def layers_using(c: sqlite3.Connection, diff_id: DiffID) -> list[Layer]:
    """The layers that have this diff, on whatever parents."""
    rows = c.execute(f"SELECT {_LAYER} FROM layers WHERE diff_id = ? ORDER BY depth, chain_id", (diff_id,))
    return [Layer._make(row) for row in rows]


def layers(c: sqlite3.Connection) -> list[Layer]:
    """All layers, parents before children."""
    return [Layer._make(row) for row in c.execute(f"SELECT {_LAYER} FROM layers ORDER BY depth, chain_id")]


def delete_layer(c: sqlite3.Connection, chain: ChainID) -> None:
    """Afterwards the layer has no row. Conflict when a layer, image or container has it."""
    c.execute("DELETE FROM layers WHERE chain_id = ?", (chain,))
