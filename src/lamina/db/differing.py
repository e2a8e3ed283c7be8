"""Where the rows of some layers differ from those of others: found inside the database, as there are many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db.files import joined
from lamina.db.marks import marks

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from lamina.oci.digest import DiffID

# All that counts; times do not. By name and folder there is one row at most in each layer: a look-up by key.
_SAME = " AND ".join(
    f"o.{name} = f.{name}"
    for name in "kind mode uid gid size link rdev xattrs digest opaque".split()  # noqa: SIM905
)


def differing(
    c: sqlite3.Connection, these: Sequence[DiffID], those: Sequence[DiffID], most: int
) -> list[bytes]:
    """Paths at which a layer of `these` has a row that none of `those` has; sorted, at most `most`."""
    found = c.execute(
        f"""SELECT DISTINCT f.parent, f.name FROM diffs AS d CROSS JOIN files AS f
        WHERE d.diff_id IN ({marks(these)}) AND f.diff = d.num AND NOT EXISTS (
            SELECT 1 FROM diffs AS e CROSS JOIN files AS o
            WHERE e.diff_id IN ({marks(those)}) AND o.diff = e.num
            AND o.parent = f.parent AND o.name = f.name AND {_SAME})
        LIMIT ?""",
        (*these, *those, most),
    )
    return sorted([joined(parent, name) for parent, name in found])


def contents(c: sqlite3.Connection, diff_ids: Sequence[DiffID]) -> dict[DiffID, tuple[str, int]]:
    """What each of these layers contains, without times (tree.content), and how many entries it has."""
    rows = c.execute(
        f"SELECT diff_id, content_id, entries FROM diffs WHERE diff_id IN ({marks(diff_ids)})",
        tuple(diff_ids),
    )
    return {diff_id: (content_id, entries) for diff_id, content_id, entries in rows}


def histories(c: sqlite3.Connection, diff_ids: Sequence[DiffID]) -> dict[DiffID, set[str]]:
    """The lines of history (created_by) of the steps that each of these layers came of, as far as known."""
    rows = c.execute(
        f"SELECT diff_id, created_by FROM steps WHERE diff_id IN ({marks(diff_ids)})", tuple(diff_ids)
    )
    found: dict[DiffID, set[str]] = {}
    for diff_id, created_by in rows:
        found.setdefault(diff_id, set()).add(created_by)
    return found
