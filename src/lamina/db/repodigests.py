"""repo_digests: under which digests repositories have an image of ours: what was pulled, and what was pushed.

A digest is that of what the name in the registry stood for: of an index, else of a manifest. What is pushed
compressed has another manifest than the image has here. The rows go with the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.oci.digest import Digest, ImageID

if TYPE_CHECKING:
    import sqlite3


def put(c: sqlite3.Connection, image_id: ImageID, repository: str, digest: Digest) -> None:
    """Notes that `repository`, by its full name without a tag, has the image (which has its row) as this."""
    c.execute("INSERT OR IGNORE INTO repo_digests VALUES (?, ?, ?)", (image_id, repository, digest))


def of_image(c: sqlite3.Connection, image_id: ImageID) -> list[tuple[str, Digest]]:
    """The repositories (in full) that have an image, each with a digest; sorted."""
    rows = c.execute(
        "SELECT repository, digest FROM repo_digests WHERE image_id = ? ORDER BY repository, digest",
        (image_id,),
    )
    return [(repository, Digest(digest)) for repository, digest in rows]


def forget(c: sqlite3.Connection, image_id: ImageID, repository: str) -> list[Digest]:
    """Afterwards nothing is known of an image in a repository. The digests that it had there, sorted."""
    gone = [digest for name, digest in of_image(c, image_id) if name == repository]
    c.execute("DELETE FROM repo_digests WHERE image_id = ? AND repository = ?", (image_id, repository))
    return gone


def find(c: sqlite3.Connection, digest: Digest) -> ImageID | None:
    """The image that some repository has under this digest; None when none is known to."""
    row = c.execute("SELECT image_id FROM repo_digests WHERE digest = ? LIMIT 1", (digest,)).fetchone()
    return ImageID(row[0]) if row else None
