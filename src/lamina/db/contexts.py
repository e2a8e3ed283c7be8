"""What was hashed in each build context: a file that stands as it did then is not hashed again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping


class Stat(NamedTuple):
    """How a file of a build context stood when it was hashed."""

    size: int
    inode: int
    mtime_ns: int
    ctime_ns: int
    mode: int
    uid: int
    gid: int
    digest: str  # SHA-256 of the content in hex; "" for what has none


def stats(c: sqlite3.Connection, root: str) -> dict[bytes, Stat]:
    """All that is known of the context at `root` (absolute, links resolved), by path in it."""
    rows = c.execute(
        """SELECT path, size, inode, mtime_ns, ctime_ns, mode, uid, gid, digest
        FROM contexts JOIN stats ON context = num WHERE root = ?""",
        (root,),
    )
    return {row[0]: Stat._make((*row[1:8], row[8].hex())) for row in rows}


def put_stats(
    c: sqlite3.Connection, root: str, changed: Mapping[bytes, Stat], removed: Iterable[bytes] = ()
) -> None:
    """Notes the files that changed, and forgets those that were removed."""
    c.execute("INSERT INTO contexts (root) VALUES (?) ON CONFLICT DO NOTHING", (root,))
    (number,) = c.execute("SELECT num FROM contexts WHERE root = ?", (root,)).fetchone()
    c.executemany(
        "INSERT OR REPLACE INTO stats VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(number, path, *stat[:7], bytes.fromhex(stat.digest)) for path, stat in changed.items()],
    )
    c.executemany("DELETE FROM stats WHERE context = ? AND path = ?", [(number, path) for path in removed])


def contexts(c: sqlite3.Connection) -> list[str]:
    """The folders of which something is known."""
    return [root for (root,) in c.execute("SELECT root FROM contexts ORDER BY root")]


def delete_context(c: sqlite3.Connection, root: str) -> None:
    """Forgets what is known of a context."""
    c.execute("DELETE FROM contexts WHERE root = ?", (root,))
