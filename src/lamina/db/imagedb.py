"""imagedb: images, their configs, manifests, tags, and their relation to layers.

A tag's name is the full reference, as lamina.oci.reference writes it (docker.io/library/busybox:latest);
to this module it is only text. An image ID is the digest of the config, which is a blob.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import NotFound
from lamina.oci.digest import ChainID, DiffID, Digest, ImageID

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable


class ImageRow(NamedTuple):
    """One image."""

    image_id: ImageID
    manifest: Digest
    created: str  # RFC 3339, from its config; "" when that says nothing
    size: int  # bytes in the files of its layers
    os: str
    architecture: str
    variant: str
    added: str  # RFC 3339, when it came into this store


_IMAGE = "image_id, manifest, created, size, os, architecture, variant, added"


def put_image(c: sqlite3.Connection, row: ImageRow, chain_ids: Iterable[ChainID]) -> ImageRow:
    """Afterwards the image has a row, which is returned: the first one stays.

    `chain_ids` are those of all its layers, bottom first; each must have its row in layerdb.
    """
    done = c.execute(
        f"INSERT INTO images ({_IMAGE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (image_id) DO NOTHING",
        row,
    )
    if not done.rowcount:
        return need_image(c, row.image_id)
    c.executemany(
        "INSERT INTO image_layers VALUES (?, ?, ?)",
        [(row.image_id, position, chain_id) for position, chain_id in enumerate(chain_ids)],
    )
    return row


def get_image(c: sqlite3.Connection, image_id: ImageID) -> ImageRow | None:
    """The row of an image, or None."""
    row = c.execute(f"SELECT {_IMAGE} FROM images WHERE image_id = ?", (image_id,)).fetchone()
    return ImageRow._make(row) if row else None


def need_image(c: sqlite3.Connection, image_id: ImageID) -> ImageRow:
    """The row of an image. NotFound, in Docker's words."""
    found = get_image(c, image_id)
    if found is None:
        raise NotFound(f"No such image: {image_id}")
    return found


def find_image(c: sqlite3.Connection, prefix: str) -> list[ImageID]:
    """The images whose ID begins so, with `sha256:` or without; 2 at most, as more is ambiguous as well."""
    digits = prefix.removeprefix("sha256:")
    if not digits or len(digits) > 64 or digits.strip("0123456789abcdef"):
        return []
    begin = "sha256:" + digits
    rows = c.execute(
        "SELECT image_id FROM images WHERE image_id >= ? AND image_id < ? ORDER BY image_id LIMIT 2",
        (begin, begin + "g"),
    )
    return [ImageID(image_id) for (image_id,) in rows]


def images(c: sqlite3.Connection) -> list[ImageRow]:
    """All images, the newest first."""
    rows = c.execute(f"SELECT {_IMAGE} FROM images ORDER BY created DESC, image_id")
    return [ImageRow._make(row) for row in rows]


def layers_of(c: sqlite3.Connection, image_id: ImageID) -> list[ChainID]:
    """The chain IDs of an image's layers, bottom first."""
    rows = c.execute("SELECT chain_id FROM image_layers WHERE image_id = ? ORDER BY position", (image_id,))
    return [ChainID(chain_id) for (chain_id,) in rows]


def diff_ids_of(c: sqlite3.Connection, image_id: ImageID) -> list[DiffID]:
    """The diff IDs of an image's layers, bottom first."""
    rows = c.execute(
        "SELECT l.diff_id FROM image_layers AS i JOIN layers AS l USING (chain_id) WHERE i.image_id = ? "
        "ORDER BY i.position",
        (image_id,),
    )
    return [DiffID(diff_id) for (diff_id,) in rows]


def images_with_layer(c: sqlite3.Connection, chain_id: ChainID) -> list[ImageID]:
    """The images that have this layer on these parents."""
    rows = c.execute("SELECT image_id FROM image_layers WHERE chain_id = ? ORDER BY image_id", (chain_id,))
    return [ImageID(image_id) for (image_id,) in rows]


def settle_sizes(c: sqlite3.Connection, chain_ids: Iterable[ChainID]) -> None:
    """The images with one of these layers have the size that their layers have (layers.claims)."""
    images = {image_id for chain_id in chain_ids for image_id in images_with_layer(c, chain_id)}
    c.executemany(
        """UPDATE images SET size = (
            SELECT total(diffs.size) FROM image_layers JOIN layers USING (chain_id) JOIN diffs USING (diff_id)
            WHERE image_layers.image_id = images.image_id) WHERE image_id = ?""",
        [(image_id,) for image_id in images],
    )


def delete_image(c: sqlite3.Connection, image_id: ImageID) -> None:
    """Afterwards neither the image, a tag of it, nor an index with it has a row.

    Its layers and blobs stay, for gc to remove.
    """
    indexes = "SELECT digest FROM index_images WHERE image_id = ?"
    c.execute(f"DELETE FROM tags WHERE image_id = ? OR index_digest IN ({indexes})", (image_id, image_id))
    c.execute(f"DELETE FROM indexes WHERE digest IN ({indexes})", (image_id,))
    c.execute("DELETE FROM images WHERE image_id = ?", (image_id,))


def tags(c: sqlite3.Connection, image_id: ImageID) -> list[str]:
    """The names of one image, sorted."""
    rows = c.execute("SELECT name FROM tags WHERE image_id = ? ORDER BY name", (image_id,))
    return [name for (name,) in rows]


def put_tag(
    c: sqlite3.Connection, name: str, image_id: ImageID, index: Digest | None = None
) -> ImageID | None:
    """Afterwards `name` is this image's, and stands for this index (indexdb) if there is one.

    Returns the image that had it before, if another had.
    """
    before = get_tag(c, name)
    c.execute(
        "INSERT INTO tags (name, image_id, index_digest) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE "
        "SET image_id = excluded.image_id, index_digest = excluded.index_digest",
        (name, image_id, index),
    )
    return None if before == image_id else before


class Tag(NamedTuple):
    """What a name stands for: an image, and an index (indexdb) where it is not just the image."""

    image_id: ImageID
    index_digest: Digest | None


def find_tag(c: sqlite3.Connection, name: str) -> Tag | None:
    """What has this name, or None."""
    row = c.execute("SELECT image_id, index_digest FROM tags WHERE name = ?", (name,)).fetchone()
    return Tag._make(row) if row else None


def is_tagged(c: sqlite3.Connection, name: str, image_id: ImageID, index: Digest | None = None) -> bool:
    """Whether `name` is this image's already, with just this index."""
    return find_tag(c, name) == (image_id, index)


def get_tag(c: sqlite3.Connection, name: str) -> ImageID | None:
    """The image that has this name, or None."""
    row = c.execute("SELECT image_id FROM tags WHERE name = ?", (name,)).fetchone()
    return ImageID(row[0]) if row else None


def delete_tag(c: sqlite3.Connection, name: str) -> bool:
    """Afterwards no image has this name. Whether one had."""
    return c.execute("DELETE FROM tags WHERE name = ?", (name,)).rowcount > 0


def all_tags(c: sqlite3.Connection) -> list[tuple[str, ImageID]]:
    """Every name with its image, sorted by name."""
    return [(name, ImageID(i)) for name, i in c.execute("SELECT name, image_id FROM tags ORDER BY name")]
