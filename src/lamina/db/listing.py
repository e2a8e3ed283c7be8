"""listing: the file rows of one diff in the order of their paths, some at a time, in bounded memory.

The rows stand in the order of folder and name. A path's order is another one: what is in the folder `a` comes
after a file `a-b`, and before a file `a0`. So folders wait until their turn has come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db.files import COLUMNS, KIND, NAME, entry_of
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from lamina.db.files import Row
    from lamina.oci.digest import DiffID
    from lamina.tree.entry import Entry

_PAGE = 100  # rows read at a time: each may have 64 KiB of attributes


def listing(c: sqlite3.Connection, diff_id: DiffID) -> Iterator[Entry]:
    """What cachedb.files gives, sorted by path bytes; nothing when the diff has no row.

    Between two rows no query is under way, so `c` may be used for others. The rows must stay meanwhile.
    """
    found = c.execute("SELECT num FROM diffs WHERE diff_id = ?", (diff_id,)).fetchone()
    if found is None:
        return
    number: int = found[0]
    root = c.execute(
        f"SELECT {COLUMNS} FROM files AS f WHERE diff = ? AND parent = x'' AND name = x''", found
    )
    for row in root.fetchall():
        yield entry_of(row)
    levels = [_Folder(c, number, b"")]
    while levels:
        level = levels[-1]
        row = level.next()
        if row is None:
            levels.pop()
        elif isinstance(row, bytes):
            levels.append(_Folder(c, number, row))
        else:
            yield entry_of(row)


class _Folder:
    """What is directly in one folder, and when its folders are due."""

    def __init__(self, c: sqlite3.Connection, number: int, path: bytes) -> None:
        self._c = c
        self._number = number
        self._path = path
        self._page: list[Row] = []  # backwards
        self._last: bytes | None = b""  # name of the last row read; None when there are no more
        self._waiting: list[bytes] = []  # names of folders; each begins with the one before

    def next(self) -> Row | bytes | None:
        """The next row; or the path of a folder that is due; None at the end."""
        if not self._page and self._last is not None:
            self._read()
        waiting = self._waiting
        if waiting and not (self._page and self._page[-1][NAME] < waiting[-1] + b"/"):
            name = waiting.pop()
            return self._path + b"/" + name if self._path else name
        if not self._page:
            return None
        row = self._page.pop()
        if row[KIND] == Kind.DIR:
            waiting.append(row[NAME])
        return row

    def _read(self) -> None:
        rows = self._c.execute(
            f"""SELECT {COLUMNS} FROM files AS f
            WHERE f.diff = ? AND f.parent = ? AND f.name > ? ORDER BY f.name LIMIT {_PAGE}""",
            (self._number, self._path, self._last),
        ).fetchall()
        self._last = rows[-1][NAME] if len(rows) == _PAGE else None
        rows.reverse()
        self._page = rows
