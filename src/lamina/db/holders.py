"""Holders: which layers of the whole store have a file, by its content, its path or its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db.files import COLUMNS, entry_of, key_of
from lamina.db.sieves import WIDTH, may_have_digest, may_have_name
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

_MAPPED = 1 << 31  # bytes of the database that a search reads without copying them


class Holder(NamedTuple):
    """A file, or whatever else it is, in one layer; no whiteout."""

    diff: int  # number of the layer's row in diffs
    entry: Entry


def ready(c: sqlite3.Connection) -> None:
    """Makes searches through all layers quicker on this connection; changes no answer."""
    c.execute(f"PRAGMA mmap_size = {_MAPPED}")


def with_digest(c: sqlite3.Connection, digits: str) -> list[Holder]:
    """The files whose SHA-256 is this, or begins with these digits: at least 8."""
    whole = bytes.fromhex(digits[: len(digits) // 2 * 2])
    assert len(whole) >= WIDTH
    beyond = whole + b"\xff" * (33 - len(whole))
    found = _each(
        c,
        may_have_digest(c, whole),
        "f.digest >= ? AND f.digest < ?",
        (whole, beyond),
        "ORDER BY parent, name",
    )
    return [holder for holder in found if holder.entry.digest.startswith(digits)]


def at_path(c: sqlite3.Connection, path: bytes) -> list[Holder]:
    """What layers have at this path: one look-up by key in each of them."""
    rows = c.execute(
        f"SELECT d.num, {COLUMNS} FROM diffs AS d CROSS JOIN files AS f "
        "WHERE f.diff = d.num AND f.parent = ? AND f.name = ? AND f.kind <> ? ORDER BY d.num",
        (*key_of(path), Kind.WHITEOUT),
    )
    return [Holder(row[0], entry_of(row[1:])) for row in rows]


def named(c: sqlite3.Connection, name: bytes) -> list[Holder]:
    """What layers have under this name, in whatever folder."""
    return list(_each(c, may_have_name(c, name), "f.name = ?", (name,), "ORDER BY parent"))


def matching(c: sqlite3.Connection, pattern: bytes, *, whole: bool) -> list[Holder]:
    """What has a name, or with `whole` a path, that fits a pattern of SQLite's GLOB: reads all rows."""
    what = "CASE WHEN length(f.parent) THEN f.parent || '/' || f.name ELSE f.name END" if whole else "f.name"
    # GLOB is for texts: what is not UTF-8 matches `?` and `*` only
    test = f"CAST({what} AS TEXT) GLOB CAST(? AS TEXT)"
    rows = c.execute(
        f"SELECT f.diff, {COLUMNS} FROM files AS f WHERE {test} AND f.kind <> ?", (pattern, Kind.WHITEOUT)
    )
    return [Holder(row[0], entry_of(row[1:])) for row in rows]


def _each(
    c: sqlite3.Connection, numbers: Iterable[int], test: str, values: tuple[bytes, ...], order: str
) -> Iterator[Holder]:
    sql = f"SELECT {COLUMNS} FROM files AS f WHERE f.diff = ? AND {test} AND f.kind <> ? {order}"
    for number in numbers:
        for row in c.execute(sql, (number, *values, Kind.WHITEOUT)):
            yield Holder(number, entry_of(row))
