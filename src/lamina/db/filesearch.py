"""Files of layers by their names, wherever they lie: a scan of each layer's rows, done by SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db.files import COLUMNS, DIFF_ID, entry_of
from lamina.db.marks import marks

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from lamina.db.cachedb import Found
    from lamina.oci.digest import DiffID


def files_named(
    c: sqlite3.Connection, diff_ids: Sequence[DiffID], names: Sequence[bytes], endings: Sequence[bytes] = ()
) -> list[Found]:
    """What these diffs have under one of `names`, or a name with one of `endings`; whiteouts included.

    In the order of `diff_ids`, then of folder and name. Whether an entry is to be seen is not asked.
    """
    order = {diff_id: place for place, diff_id in enumerate(diff_ids)}
    tests = [f"f.name IN ({marks(names)})"]
    tests += [f"substr(f.name, -{len(ending)}) = ?" for ending in endings]
    rows = c.execute(
        f"""SELECT {COLUMNS}, d.diff_id FROM diffs AS d CROSS JOIN files AS f
        WHERE d.diff_id IN ({marks(order)}) AND f.diff = d.num AND ({" OR ".join(tests)})""",
        (*order, *names, *endings),
    )
    found = [(row[DIFF_ID], entry_of(row)) for row in rows]
    return sorted(found, key=lambda each: (order[each[0]], each[1].path))
