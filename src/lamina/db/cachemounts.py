"""cachemounts: the folders that RUN --mount=type=cache keeps, a row for each.

The folder is cachemounts/NAME on disk. A row without its folder means nothing and may be deleted by whoever
sees it; a folder without its row is taken in again by a sweep (lamina.cachemounts.objects).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3


class CacheMount(NamedTuple):
    """One folder. Several may have one key: `private` makes a second one while the first is in use."""

    name: str  # of the object: 16 hex digits, and of its folder
    key: str  # what a build finds it by: its id, owner, mode and first content, hashed
    id: str  # as in the Dockerfile: the target where it says none
    sharing: str  # shared | private | locked: that of the last use
    mode: int  # of the folder when it was made
    uid: int
    gid: int
    seed: str  # what its first content was; "" for nothing
    created_by: str  # the instruction that made it
    created: str  # RFC 3339
    last_used: str  # RFC 3339
    uses: int
    size: int | None  # bytes in its files when last measured; None after a use
    detached: bool  # no build finds it any more; it goes when whoever uses it ends


_COLUMNS = (
    "name, key, id, sharing, mode, uid, gid, seed, created_by, created, last_used, uses, size, detached"
)


def put(c: sqlite3.Connection, row: CacheMount) -> None:
    """Adds the row of a new folder."""
    c.execute(f"INSERT INTO cache_mounts ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def get(c: sqlite3.Connection, name: str) -> CacheMount | None:
    """The row of the object with this name, or None."""
    found = _select(c, "name = ?", name)
    return found[0] if found else None


def with_key(c: sqlite3.Connection, key: str) -> list[CacheMount]:
    """Those that a build which wants this key may use, the oldest first."""
    return _select(c, "key = ? AND NOT detached", key)


def with_id(c: sqlite3.Connection, mount_id: str) -> list[CacheMount]:
    """Those that a Dockerfile calls so and a build may use, the oldest first."""
    return _select(c, "id = ? AND NOT detached", mount_id)


def with_prefix(c: sqlite3.Connection, digits: str) -> list[CacheMount]:
    """Those whose object name begins so."""
    if not digits or digits.strip("0123456789abcdef"):
        return []
    return _select(c, "name >= ? AND name < ?", digits, digits + "g")


def mounts(c: sqlite3.Connection) -> list[CacheMount]:
    """All of them, the oldest first."""
    return _select(c, "1")


def note_use(c: sqlite3.Connection, name: str, sharing: str, when: str) -> None:
    """One use more; the size is not known from now on."""
    c.execute(
        "UPDATE cache_mounts SET uses = uses + 1, sharing = ?, last_used = ?, size = NULL WHERE name = ?",
        (sharing, when, name),
    )


def note_size(c: sqlite3.Connection, measured: CacheMount, size: int) -> None:
    """Notes a size, unless the folder was used since this row was read."""
    c.execute(
        "UPDATE cache_mounts SET size = ? WHERE name = ? AND uses = ?", (size, measured.name, measured.uses)
    )


def detach(c: sqlite3.Connection, name: str) -> None:
    """Afterwards no build finds it."""
    c.execute("UPDATE cache_mounts SET detached = 1 WHERE name = ?", (name,))


def delete(c: sqlite3.Connection, name: str) -> None:
    """Afterwards it has no row."""
    c.execute("DELETE FROM cache_mounts WHERE name = ?", (name,))


def _select(c: sqlite3.Connection, where: str, *values: str) -> list[CacheMount]:
    rows = c.execute(f"SELECT {_COLUMNS} FROM cache_mounts WHERE {where} ORDER BY num", values)
    return [CacheMount._make(row)._replace(detached=bool(row[-1])) for row in rows]
