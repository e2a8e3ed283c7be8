"""leases: rows that keep layers, blobs and images from a sweep while a process works with them.

The lease itself is a locked file (store.lease); its rows count only while its process lives. A process
that found something by a look-up must hold it in a write transaction that sees it is still there:

    with db.write(durable=False) as tx:
        leases.hold(tx, lease.id, leases.LAYER, chain_id)
        if layerdb.get_layer(tx, chain_id) is None: ...  # swept meanwhile
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

DIFF = "diff"  # a diff ID
LAYER = "layer"  # a chain ID; keeps the layers below too
BLOB = "blob"  # a digest
IMAGE = "image"  # an image ID; keeps its layers, its config and its manifest
STEP = "step"  # a cache key; keeps the row and its diff
KINDS = frozenset({DIFF, LAYER, BLOB, IMAGE, STEP})


class Hold(NamedTuple):
    """One thing that one lease keeps."""

    lease: str
    kind: str
    name: str


def hold(c: sqlite3.Connection, lease: str, kind: str, *names: str) -> None:
    """Afterwards the lease with this ID keeps the things of this kind with these names."""
    c.executemany(
        "INSERT INTO leases VALUES (?, ?, ?) ON CONFLICT DO NOTHING", [(lease, kind, n) for n in names]
    )


def held(c: sqlite3.Connection) -> list[Hold]:
    """What all leases keep, those of dead processes included."""
    return [Hold._make(row) for row in c.execute("SELECT lease, kind, name FROM leases")]


def holders(c: sqlite3.Connection) -> list[str]:
    """The IDs of the leases that keep something."""
    return [lease for (lease,) in c.execute("SELECT DISTINCT lease FROM leases")]


def drop(c: sqlite3.Connection, leases: Iterable[str]) -> None:
    """Afterwards these leases keep nothing."""
    c.executemany("DELETE FROM leases WHERE lease = ?", [(lease,) for lease in leases])
