"""Sieves: 4 bytes for each file of a layer, so that a search passes over the layers that cannot have it.

One sieve holds the first 4 bytes of the digests of a layer's files, one the CRC-32 of the names of all that
it has. What goes through is looked for in the rows themselves; a layer without sieves always goes through.
An index over all files would cost every build and pull far more than these, which are two rows for a layer.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

    from lamina.db.files import Row

WIDTH = 4  # bytes of each hash
_NAME, _DIGEST = 2, 12  # positions in a row of `files`


class Sieves:
    """What the sieves of one layer will hold; its rows pass through on their way to the table."""

    __slots__ = ("_digests", "_names", "_number")

    def __init__(self, number: int) -> None:
        """`number` is the diff's."""
        self._number = number
        self._digests = bytearray()
        self._names = array("I")

    def watch(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows, noted."""
        digests, note = self._digests, self._names.append
        for row in rows:
            digests += row[_DIGEST][:WIDTH]
            note(crc32(row[_NAME]))
            yield row

    def put(self, c: sqlite3.Connection) -> None:
        """Writes them, in place of older ones."""
        c.execute("INSERT OR REPLACE INTO name_sieves VALUES (?, ?)", (self._number, self._names.tobytes()))
        c.execute("INSERT OR REPLACE INTO digest_sieves VALUES (?, ?)", (self._number, bytes(self._digests)))


def fill(c: sqlite3.Connection) -> None:
    """Makes the sieves of layers that have none: those of older stores. Reads all their rows."""
    for number in lacking(c):
        sieves = Sieves(number)
        for _ in sieves.watch(c.execute("SELECT * FROM files WHERE diff = ?", (number,))):
            pass
        sieves.put(c)


def lacking(c: sqlite3.Connection) -> list[int]:
    """The numbers of the diffs without sieves."""
    rows = c.execute(
        "SELECT num FROM diffs AS d WHERE NOT EXISTS (SELECT 1 FROM digest_sieves WHERE diff = d.num)"
    )
    return [number for (number,) in rows]


def may_have_digest(c: sqlite3.Connection, beginning: bytes) -> list[int]:
    """The numbers of the diffs that may have a file whose digest begins so (at least WIDTH bytes)."""
    return _through(c, "digest_sieves", beginning[:WIDTH])


def may_have_name(c: sqlite3.Connection, name: bytes) -> list[int]:
    """The numbers of the diffs that may have something of this name."""
    return _through(c, "name_sieves", array("I", [crc32(name)]).tobytes())


def _through(c: sqlite3.Connection, table: str, piece: bytes) -> list[int]:
    # the hashes need not be found at a multiple of WIDTH: that lets a few more layers through
    rows = c.execute(
        f"SELECT d.num FROM diffs AS d LEFT JOIN {table} AS s ON s.diff = d.num "
        "WHERE s.diff IS NULL OR instr(s.hashes, ?) ORDER BY d.num",
        (piece,),
    )
    return [number for (number,) in rows]
