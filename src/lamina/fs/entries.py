"""Entries: the entries of a layer by their paths, sorted, in bounded memory: what is too much goes to a file.

    with Entries(place) as entries:        # `place` gives a path for the file, if there has to be one
        entries.put(entry)
        entries.get(b"etc/hosts")
        for entry in entries: ...          # sorted by path; as often as one likes

The file is SQLite's, loses its name at once, and goes with the block or the process.
"""

from __future__ import annotations

import marshal
import os
from operator import itemgetter
from typing import TYPE_CHECKING

from lamina.errors import LaminaError, NoSpace
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator

    Place = Callable[[], str]

ROOM = 28 << 20  # bytes, as `_weight` counts them: some 60,000 files
_PAGE = 64  # rows read at a time: each may have 64 KiB of attributes
_BITS = (1 << 25) - 1
_CACHE = 4096  # KiB of the file that stay in memory
_KINDS = {str(kind): kind for kind in Kind}
_PATH = itemgetter(0)
_new = tuple.__new__


class Entries:
    """Not for use by two threads at once."""

    def __init__(self, place: Place | None = None, room: int | None = None) -> None:
        """`place` gives a path for the file, which loses its name at once; without it, it is in TMPDIR.

        `room` is the bytes that stay in memory, ROOM if not given.
        """
        self.place = place
        self._room = ROOM if room is None else room
        self._weight = 0
        self._recent: dict[bytes, Entry] = {}  # those that the file lacks
        self._names: dict[bytes, dict[bytes, None]] = {}  # FILE -> its HARDLINKs; while there is no file
        self._sorted: list[Entry] | None = None
        self._file: _File | None = None

    def get(self, path: bytes) -> Entry | None:
        """The entry at `path`, or None. NoSpace, as from all that follow."""
        found = self._recent.get(path)
        if found is None and self._file is not None:
            return self._file.get(path)
        return found

    def put(self, entry: Entry) -> None:
        """Adds an entry, in place of the one that has its path."""
        path, link, xattrs = entry[0], entry[7], entry[9]
        if self._file is None and self._names:
            self._unname(path)
        if entry[1] is Kind.HARDLINK and self._file is None:
            self._names.setdefault(link, {})[path] = None
        self._recent[path] = entry
        self._sorted = None
        self._weight += 400 + 2 * len(path) + len(link)
        if xattrs:
            self._weight += sum([150 + len(name) + len(value) for name, value in xattrs])
        if self._weight > self._room:
            self._flush()

    def remove(self, path: bytes) -> None:
        """Afterwards there is no entry at `path`."""
        if self._file is not None:
            self._file.remove([path])
        elif self._names:
            self._unname(path)
        self._recent.pop(path, None)
        self._sorted = None

    def names(self, file: bytes) -> Iterator[bytes]:
        """The paths of the HARDLINKs to the FILE at `file`, sorted; they may be put while they are read."""
        if self._file is None:
            return iter(sorted(self._names.get(file, ())))
        self._flush()
        return self._file.names(file)

    def drop(self, doomed: Callable[[Entry], bool]) -> None:
        """Removes the entries of which `doomed` is true."""
        if self._file is None:
            for path in [entry.path for entry in self._recent.values() if doomed(entry)]:
                self.remove(path)
            return
        self._flush()
        for page in self._file.pages():
            self._file.remove([entry.path for entry in page if doomed(entry)])

    def close(self) -> None:
        """Forgets all, and gives its place on the disk back."""
        self._recent.clear()
        self._names.clear()
        self._sorted = None
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Entries:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __contains__(self, path: object) -> bool:
        return isinstance(path, bytes) and self.get(path) is not None

    def __len__(self) -> int:
        if self._file is None:
            return len(self._recent)
        self._flush()
        return len(self._file)

    def __iter__(self) -> Iterator[Entry]:
        if self._file is None:
            return iter(self._in_order())
        self._flush()
        return (entry for page in self._file.pages() for entry in page)

    def __reversed__(self) -> Iterator[Entry]:
        if self._file is None:
            return reversed(self._in_order())
        self._flush()
        return (entry for page in self._file.pages(reverse=True) for entry in page)

    def _in_order(self) -> list[Entry]:
        if self._sorted is None:
            self._sorted = sorted(self._recent.values(), key=_PATH)
        return self._sorted

    def _unname(self, path: bytes) -> None:
        old = self._recent.get(path)
        if old is not None and old.kind is Kind.HARDLINK:
            names = self._names[old.link]
            del names[path]
            if not names:
                del self._names[old.link]

    def _flush(self) -> None:
        """Moves what is in memory to the file."""
        if self._file is None:
            self._file = _File(self.place)
            self._room //= 4
            self._names.clear()
        self._file.put(sorted(self._recent.values(), key=_PATH))
        self._recent.clear()
        self._sorted = None
        self._weight = 0


class _File:
    """A table of entries in a file without a name."""

    def __init__(self, place: Place | None) -> None:
        import sqlite3  # hardly any layer is so large

        path = place() if place is not None else ""
        self._error = sqlite3.Error
        self._seen = bytearray((_BITS + 1) >> 3)  # by hash: whether a path may be in here
        try:
            self._c = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            for line in _SCHEMA:
                self._c.execute(line)
        except sqlite3.Error as error:
            raise _failed(error) from error
        finally:
            if path and os.path.lexists(path):
                os.unlink(path)

    def get(self, path: bytes) -> Entry | None:
        at = hash(path) & _BITS
        if not self._seen[at >> 3] >> (at & 7) & 1:  # spares most questions: nearly every path is new
            return None
        rows = self._ask("SELECT path, data FROM entries WHERE path = ?", (path,))
        return _entry(*rows[0]) if rows else None

    def put(self, entries: Iterable[Entry]) -> None:
        try:
            self._c.execute("BEGIN")
            self._c.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", self._rows(entries))
            self._c.execute("COMMIT")
        except self._error as error:
            raise _failed(error) from error

    def _rows(self, entries: Iterable[Entry]) -> Iterator[tuple[bytes, bytes | None, bytes]]:
        for entry in entries:
            at = hash(entry.path) & _BITS
            self._seen[at >> 3] |= 1 << (at & 7)
            link = entry.link if entry.kind is Kind.HARDLINK else None
            yield entry.path, link, marshal.dumps((entry.kind._value_, *entry[2:]))

    def remove(self, paths: list[bytes]) -> None:
        for path in paths:
            self._ask("DELETE FROM entries WHERE path = ?", (path,))

    def names(self, file: bytes) -> Iterator[bytes]:
        self._ask("CREATE INDEX IF NOT EXISTS names ON entries (link, path) WHERE link IS NOT NULL")
        last = b""
        while rows := self._ask(
            f"SELECT path FROM entries WHERE link = ? AND path > ? ORDER BY path LIMIT {_PAGE}", (file, last)
        ):
            yield from [row[0] for row in rows]
            last = rows[-1][0]

    def pages(self, *, reverse: bool = False) -> Iterator[list[Entry]]:
        """All entries, some at a time, so that nothing is half read while others are put."""
        sign, order = ("<", "DESC") if reverse else (">", "ASC")
        rest = f"ORDER BY path {order} LIMIT {_PAGE}"
        rows = self._ask(f"SELECT path, data FROM entries {rest}")
        while rows:
            yield [_entry(*row) for row in rows]
            rows = self._ask(f"SELECT path, data FROM entries WHERE path {sign} ? {rest}", (rows[-1][0],))

    def close(self) -> None:
        self._c.close()

    def __len__(self) -> int:
        return int(self._ask("SELECT count(*) FROM entries")[0][0])

    def _ask(self, sql: str, values: tuple[object, ...] = ()) -> list[tuple[bytes, bytes]]:
        try:
            return self._c.execute(sql, values).fetchall()
        except self._error as error:
            raise _failed(error) from error


def _failed(error: sqlite3.Error) -> LaminaError:
    if "full" in str(error) or "disk I/O" in str(error):
        return NoSpace("no space left for a temporary file", hint="`lamina prune` frees some")
    return LaminaError(f"cannot write a temporary file: {error}")


_SCHEMA = (
    "PRAGMA journal_mode=OFF",
    "PRAGMA synchronous=OFF",
    "PRAGMA locking_mode=EXCLUSIVE",
    f"PRAGMA cache_size=-{_CACHE}",
    "CREATE TABLE entries (path BLOB PRIMARY KEY, link BLOB, data BLOB NOT NULL) WITHOUT ROWID",
)


def _entry(path: bytes, data: bytes) -> Entry:
    letter, *rest = marshal.loads(data)
    return _new(Entry, (path, _KINDS[letter], *rest))
