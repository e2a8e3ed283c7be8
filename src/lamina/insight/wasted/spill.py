"""Spill: rows that are too many for memory, and come back sorted."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from lamina.db.connect import translate

if TYPE_CHECKING:
    from collections.abc import Iterator

_BATCH = 1000
_CACHE = 16384  # KiB that stay in memory
_WHAT = "a temporary file"


class Spill:
    """One table in a nameless file of SQLite's, which is in TMPDIR and goes with the block.

    with Spill("name TEXT, size INT") as rows:
        rows.put(("a", 1))
        rows.sorted("size, name")
    """

    def __init__(self, columns: str) -> None:
        self._width = columns.count(",") + 1
        self._columns = columns
        self._waiting: list[tuple[object, ...]] = []
        self._c: sqlite3.Connection | None = None  # most images need no file

    def put(self, row: tuple[object, ...]) -> None:
        """Adds one row. NoSpace."""
        self._waiting.append(row)
        if len(self._waiting) >= _BATCH:
            self._flush()

    def sorted(self, order: str) -> Iterator[tuple[Any, ...]]:
        """All rows in the order of these columns. NoSpace."""
        if self._c is None and not self._waiting:
            return
        c = self._flush()
        try:
            yield from c.execute(f"SELECT * FROM t ORDER BY {order}")
        except sqlite3.Error as error:
            raise translate(error, _WHAT) from error

    def _flush(self) -> sqlite3.Connection:
        try:
            if self._c is None:
                self._c = sqlite3.connect("", isolation_level=None)
                self._c.execute("PRAGMA journal_mode = OFF")
                self._c.execute(f"PRAGMA cache_size = -{_CACHE}")
                self._c.execute(f"CREATE TABLE t ({self._columns})")
                self._c.execute("BEGIN")
            marks = ", ".join("?" * self._width)
            self._c.executemany(f"INSERT INTO t VALUES ({marks})", self._waiting)
        except sqlite3.Error as error:
            raise translate(error, _WHAT) from error
        self._waiting.clear()
        return self._c

    def __enter__(self) -> Spill:
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting.clear()
        if self._c is not None:
            self._c.close()
