"""The hard links of a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db.files import joined

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from lamina.oci.digest import DiffID


def hard_links(c: sqlite3.Connection, diff_id: DiffID) -> Iterator[tuple[bytes, bytes]]:
    """Each HARDLINK of a layer: its path, and that of its FILE; none without rows."""
    rows = c.execute(
        "SELECT f.parent, f.name, f.link FROM files AS f JOIN diffs AS d ON d.num = f.diff "
        "WHERE d.diff_id = ? AND f.kind = 'h'",
        (diff_id,),
    )
    return ((joined(parent, name), link) for parent, name, link in rows)
