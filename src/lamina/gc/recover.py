"""recover: what every opening of a store does first, to set it right after processes that died."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import cachedb, leases
from lamina.store import recover as store
from lamina.store.lease import alive

if TYPE_CHECKING:
    from lamina.db.connect import Database
    from lamina.store.layout import Layout


def recover(layout: Layout, db: Database) -> list[str]:
    """Removes what dead processes left: temporary files and folders, leases and their rows. The paths.

    A listing and two small queries when nobody died. Layers without rows are left to `sweep`.
    """
    removed = store.recover(layout)
    c = db.read()
    stale = [holder for holder in leases.holders(c) if not alive(layout, holder)]
    steps = [w.key for w in cachedb.writables(c) if w.lease and not alive(layout, w.lease)]
    if stale or steps:
        with db.write(durable=False) as tx:
            leases.drop(tx, stale)
            for key in steps:
                cachedb.delete_writable(tx, key)
    return removed
