"""What servers said of URLs: enough to ask them whether anything changed, and do without the body."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db.files import joined

if TYPE_CHECKING:
    import sqlite3


class UrlRow(NamedTuple):
    """The last answer for a URL. `time` is its Last-Modified in seconds since 1970, None when it had none."""

    url: str
    etag: str
    modified: str  # Last-Modified as the server wrote it, where that proves that nothing changed
    digest: str  # SHA-256 of the content in hex
    size: int
    time: int | None


def get_url(c: sqlite3.Connection, url: str) -> UrlRow | None:
    """What is known of a URL."""
    row = c.execute(
        "SELECT url, etag, modified, digest, size, time FROM urls WHERE url = ?", (url,)
    ).fetchone()
    if row is None:
        return None
    url, etag, modified, digest, size, time = row
    return UrlRow(url, etag, modified, digest.hex(), size, time)


def put_url(c: sqlite3.Connection, row: UrlRow) -> None:
    """Notes an answer in place of the one before."""
    values = (*row[:3], bytes.fromhex(row.digest), *row[4:])
    c.execute("INSERT OR REPLACE INTO urls VALUES (?, ?, ?, ?, ?, ?)", values)


def delete_urls(c: sqlite3.Connection) -> None:
    """Forgets all answers."""
    c.execute("DELETE FROM urls")


def find_content(c: sqlite3.Connection, digest: str) -> tuple[str, bytes] | None:
    """The diff ID of a layer with a FILE of this content, and its path. Reads the table of all files."""
    row = c.execute(
        """SELECT d.diff_id, f.parent, f.name FROM files AS f JOIN diffs AS d ON d.num = f.diff
        WHERE f.digest = ? AND f.kind = 'f' LIMIT 1""",
        (bytes.fromhex(digest),),
    ).fetchone()
    if row is None:
        return None
    diff_id, parent, name = row
    return diff_id, joined(parent, name)
