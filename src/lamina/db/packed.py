"""packed: in which packed forms a layer is known, and which repositories have the blobs of them.

The rows of a layer's forms go with the layer; places say only what was seen, and may be wrong by now.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, NamedTuple

from lamina.oci.descriptor import Descriptor

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from lamina.oci.digest import DiffID, Digest


FOLDER = "oci-layout://"  # begins a place that is a folder


class Packed(NamedTuple):
    """A layer as one blob. `maker` names the compressor that made it here; "" when somebody else did."""

    diff_id: DiffID
    descriptor: Descriptor
    maker: str = ""


def put(c: sqlite3.Connection, packed: Packed, repository: str = "") -> None:
    """Notes a form of a layer that has its row; it is known to be in `repository`, if that is given."""
    found = packed.descriptor
    notes = json.dumps(dict(sorted(found.annotations.items())))
    c.execute(
        "INSERT INTO packed VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (packed.diff_id, found.digest, found.size, found.media_type, notes, packed.maker),
    )
    if repository:
        put_place(c, found.digest, repository)


def forms(c: sqlite3.Connection, diff_id: DiffID) -> list[Packed]:
    """The forms in which a layer is known."""
    return [_of(row) for row in c.execute(f"SELECT {_COLUMNS} FROM packed WHERE diff_id = ?", (diff_id,))]


def by_digest(c: sqlite3.Connection, digest: Digest) -> Packed | None:
    """The layer that a blob is a form of."""
    row = c.execute(f"SELECT {_COLUMNS} FROM packed WHERE digest = ?", (digest,)).fetchone()
    return _of(row) if row else None


def forget(c: sqlite3.Connection, packed: Packed) -> None:
    """A blob turned out to be no form of the layer."""
    c.execute(
        "DELETE FROM packed WHERE diff_id = ? AND digest = ?", (packed.diff_id, packed.descriptor.digest)
    )


def put_place(c: sqlite3.Connection, digest: Digest, repository: str) -> None:
    """Notes that a repository, by its full name without a tag, has a blob."""
    c.execute("INSERT OR REPLACE INTO places VALUES (?, ?, ?)", (digest, repository, time.time()))


def places(c: sqlite3.Connection, digest: Digest) -> list[str]:
    """The repositories that were seen to have a blob, the last seen first."""
    return [place for place in _places(c, digest) if not place.startswith(FOLDER)]


def folders(c: sqlite3.Connection, digest: Digest) -> list[str]:
    """The folders that were seen to have a blob: OCI image layouts of this machine (shared caches)."""
    return [place[len(FOLDER) :] for place in _places(c, digest) if place.startswith(FOLDER)]


def is_at(c: sqlite3.Connection, digest: Digest, place: str) -> bool:
    """Whether a repository, or a folder, was seen to have a blob."""
    return place in _places(c, digest)


def _places(c: sqlite3.Connection, digest: Digest) -> list[str]:
    sql = "SELECT repository FROM places WHERE digest = ? ORDER BY seen DESC, repository"
    return [row[0] for row in c.execute(sql, (digest,))]


def unnamed(c: sqlite3.Connection) -> list[Digest]:
    """The blobs with places that are no form of a layer: manifests, configs, and what is forgotten here."""
    rows = c.execute("SELECT DISTINCT digest FROM places WHERE digest NOT IN (SELECT digest FROM packed)")
    return [row[0] for row in rows]


def forget_all_places(c: sqlite3.Connection, digests: Iterable[Digest]) -> None:
    """Afterwards it is not known where these blobs are."""
    c.executemany("DELETE FROM places WHERE digest = ?", [(each,) for each in digests])


def forget_places(c: sqlite3.Connection, digests: Iterable[Digest], repository: str) -> None:
    """A repository turned out to lack these blobs."""
    c.executemany(
        "DELETE FROM places WHERE digest = ? AND repository = ?", [(each, repository) for each in digests]
    )


_COLUMNS = "diff_id, digest, size, media_type, annotations, maker"


def _of(row: tuple[DiffID, Digest, int, str, str, str]) -> Packed:
    diff_id, digest, size, media_type, notes, maker = row
    return Packed(diff_id, Descriptor(media_type, digest, size, json.loads(notes)), maker)
