"""indexdb: indexes, the images in them, and the tags that stand for one.

An index here is what a tag stands for beside an image: an image index (several platforms, attestations),
or a single manifest that is not its image's own (annotations, compressed layers). Its document is a blob.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.oci.digest import Digest, ImageID

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable


class IndexRow(NamedTuple):
    """One index; `image_id` is the image that a tag of it shows: this machine's, else the first."""

    digest: Digest
    image_id: ImageID
    added: str  # RFC 3339, when it came into this store


class Member(NamedTuple):
    """An image in an index, with the manifest that it has there."""

    image_id: ImageID
    manifest: Digest


def put_index(c: sqlite3.Connection, row: IndexRow, images: Iterable[Member]) -> None:
    """Afterwards the index has a row and these images, beside those that it had; its names show `image_id`.

    `images` are in the order of the index. Each must have its row in imagedb. When it was added stays.
    """
    given = list(images)
    before = get_index(c, row.digest)
    c.execute(
        "INSERT INTO indexes VALUES (?, ?, ?) "
        "ON CONFLICT (digest) DO UPDATE SET image_id = excluded.image_id",
        row,
    )
    if before is not None and before.image_id != row.image_id:
        c.execute("UPDATE tags SET image_id = ? WHERE index_digest = ?", (row.image_id, row.digest))
    had = members(c, row.digest)
    if set(given) <= set(had):
        return
    c.execute("DELETE FROM index_images WHERE digest = ?", (row.digest,))
    c.executemany(
        "INSERT INTO index_images VALUES (?, ?, ?, ?)",
        [
            (row.digest, position, *member)
            for position, member in enumerate([*given, *(each for each in had if each not in given)])
        ],
    )


def get_index(c: sqlite3.Connection, digest: Digest) -> IndexRow | None:
    """The row of an index, or None."""
    row = c.execute("SELECT digest, image_id, added FROM indexes WHERE digest = ?", (digest,)).fetchone()
    return IndexRow._make(row) if row else None


def find_index(c: sqlite3.Connection, digits: str) -> list[IndexRow]:
    """The indexes whose digest begins with these hex digits; 2 at most, as more is ambiguous as well."""
    begin = "sha256:" + digits
    rows = c.execute(
        "SELECT digest, image_id, added FROM indexes WHERE digest >= ? AND digest < ? LIMIT 2",
        (begin, begin + "g"),
    )
    return [IndexRow._make(row) for row in rows]


def indexes(c: sqlite3.Connection) -> list[IndexRow]:
    """All indexes, sorted by digest."""
    rows = c.execute("SELECT digest, image_id, added FROM indexes ORDER BY digest")
    return [IndexRow._make(row) for row in rows]


def members(c: sqlite3.Connection, digest: Digest) -> list[Member]:
    """The images of an index that the store has, in the order of the index."""
    rows = c.execute(
        "SELECT image_id, manifest FROM index_images WHERE digest = ? ORDER BY position", (digest,)
    )
    return [Member._make(row) for row in rows]


def find_manifest(c: sqlite3.Connection, digest: Digest) -> ImageID | None:
    """The image that has this manifest, by itself or in an index; None when none has."""
    row = c.execute(
        "SELECT image_id FROM images WHERE manifest = ? UNION ALL "
        "SELECT image_id FROM index_images WHERE manifest = ? LIMIT 1",
        (digest, digest),
    ).fetchone()
    return ImageID(row[0]) if row else None


def all_members(c: sqlite3.Connection) -> list[tuple[Digest, ImageID]]:
    """Every index with each of its images."""
    rows = c.execute("SELECT digest, image_id FROM index_images ORDER BY digest, position")
    return [(Digest(digest), ImageID(image_id)) for digest, image_id in rows]


def indexes_with(c: sqlite3.Connection, image_id: ImageID) -> list[Digest]:
    """The indexes that have this image."""
    rows = c.execute("SELECT DISTINCT digest FROM index_images WHERE image_id = ?", (image_id,))
    return [Digest(digest) for (digest,) in rows]


def index_of(c: sqlite3.Connection, name: str) -> Digest | None:
    """The index that a tag stands for; None when it stands for an image alone, or is not there."""
    row = c.execute("SELECT index_digest FROM tags WHERE name = ?", (name,)).fetchone()
    return Digest(row[0]) if row and row[0] is not None else None


def tags(c: sqlite3.Connection, digest: Digest) -> list[str]:
    """The names of an index, sorted."""
    rows = c.execute("SELECT name FROM tags WHERE index_digest = ? ORDER BY name", (digest,))
    return [name for (name,) in rows]


def delete_index(c: sqlite3.Connection, digest: Digest) -> None:
    """Afterwards the index and its tags have no row. Its images stay, and its blobs, for gc to remove."""
    c.execute("DELETE FROM tags WHERE index_digest = ?", (digest,))
    c.execute("DELETE FROM indexes WHERE digest = ?", (digest,))
