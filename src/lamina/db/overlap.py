"""What layers have in common, asked of the file rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db.files import joined
from lamina.db.marks import marks

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from lamina.oci.digest import DiffID


def stored_again(c: sqlite3.Connection, diff_id: DiffID, lower: Sequence[DiffID]) -> list[tuple[bytes, int]]:
    """Path and size of a layer's files that one of the `lower` layers has there with the same content."""
    # CROSS JOIN holds SQLite to this order: each file of the layer, one look-up in each lower one
    rows = c.execute(
        f"""SELECT f.parent, f.name, f.size
        FROM diffs AS d JOIN files AS f ON f.diff = d.num
        WHERE d.diff_id = ? AND f.kind = 'f' AND f.size > 0 AND EXISTS (
            SELECT 1 FROM diffs AS l CROSS JOIN files AS g
            WHERE l.diff_id IN ({marks(lower)}) AND g.diff = l.num AND g.parent = f.parent AND g.name = f.name
            AND g.kind = 'f' AND g.digest = f.digest)""",
        (diff_id, *lower),
    )
    return [(joined(parent, name), size) for parent, name, size in rows]
