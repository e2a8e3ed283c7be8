"""hosted: what was pushed to `lamina registry serve`: manifests, tags of what is no image, and blobs.

A repository is named in full (docker.io/library/app). What was pushed and is an image of the store has its
tags in imagedb; hosted_tags has those of all else (artifacts, indexes without an image). A sweep keeps what
has a row here.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, NamedTuple

from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import DiffID, Digest, ImageID

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping


class Hosted(NamedTuple):
    """A manifest or an index of a repository. `subject` is "" where it refers to none."""

    repository: str
    digest: Digest
    media_type: str
    size: int
    artifact_type: str
    subject: str
    annotations: Mapping[str, str]
    added: float  # seconds since 1970

    @property
    def descriptor(self) -> Descriptor:
        """As in a list of referrers (distribution-spec, Listing Referrers)."""
        return Descriptor(
            self.media_type, self.digest, self.size, self.annotations, artifact_type=self.artifact_type
        )


_COLUMNS = "repository, digest, media_type, size, artifact_type, subject, annotations, added"


# --- manifests


def put_manifest(c: sqlite3.Connection, row: Hosted) -> None:
    """Afterwards the repository has this manifest."""
    notes = json.dumps(dict(sorted(row.annotations.items())))
    c.execute(
        f"INSERT INTO hosted_manifests ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET media_type = excluded.media_type, added = excluded.added",
        (*row[:6], notes, row.added),
    )


def get_manifest(c: sqlite3.Connection, repository: str, digest: Digest) -> Hosted | None:
    """What was pushed to the repository with this digest."""
    found = _manifests(c, "repository = ? AND digest = ?", repository, digest)
    return found[0] if found else None


def manifests(c: sqlite3.Connection, repository: str) -> list[Hosted]:
    """All that were pushed to the repository, sorted by digest."""
    return _manifests(c, "repository = ?", repository)


def referrers(c: sqlite3.Connection, repository: str, subject: Digest) -> list[Hosted]:
    """Those of the repository that refer to `subject`, sorted by digest."""
    return _manifests(c, "repository = ? AND subject = ?", repository, subject)


def delete_manifest(c: sqlite3.Connection, repository: str, digest: Digest) -> bool:
    """Afterwards the repository has neither the manifest nor hosted tags of it. Whether it had."""
    return (
        c.execute(
            "DELETE FROM hosted_manifests WHERE repository = ? AND digest = ?", (repository, digest)
        ).rowcount
        > 0
    )


def forget(c: sqlite3.Connection, digests: Iterable[Digest]) -> None:
    """These were removed from the store: no repository has them any more, nor blobs for them alone."""
    for digest in digests:
        rows = c.execute("SELECT repository FROM hosted_manifests WHERE digest = ?", (digest,)).fetchall()
        for (repository,) in rows:
            delete_manifest(c, repository, digest)
            c.execute("UPDATE hosted_blobs SET added = 0 WHERE repository = ?", (repository,))


def _manifests(c: sqlite3.Connection, where: str, *values: str) -> list[Hosted]:
    rows = c.execute(f"SELECT {_COLUMNS} FROM hosted_manifests WHERE {where} ORDER BY digest", values)
    return [Hosted._make((*row[:6], json.loads(row[6]), row[7])) for row in rows]


# --- tags of what is no image


def put_tag(c: sqlite3.Connection, repository: str, tag: str, digest: Digest) -> None:
    """Afterwards `tag` is this manifest's, which the repository has."""
    c.execute("INSERT OR REPLACE INTO hosted_tags VALUES (?, ?, ?)", (repository, tag, digest))


def get_tag(c: sqlite3.Connection, repository: str, tag: str) -> Digest | None:
    """What has this tag."""
    row = c.execute(
        "SELECT digest FROM hosted_tags WHERE repository = ? AND tag = ?", (repository, tag)
    ).fetchone()
    return Digest(row[0]) if row else None


def tags(c: sqlite3.Connection, repository: str) -> list[str]:
    """The tags of the repository that are no image's."""
    rows = c.execute("SELECT tag FROM hosted_tags WHERE repository = ? ORDER BY tag", (repository,))
    return [tag for (tag,) in rows]


def delete_tag(c: sqlite3.Connection, repository: str, tag: str) -> bool:
    """Afterwards nothing hosted has this tag. Whether something had."""
    return (
        c.execute("DELETE FROM hosted_tags WHERE repository = ? AND tag = ?", (repository, tag)).rowcount > 0
    )


# --- blobs


def put_blobs(c: sqlite3.Connection, repository: str, digests: Iterable[Digest]) -> None:
    """Afterwards the repository has these blobs, and somebody counts on them now."""
    now = time.time()
    c.executemany(
        "INSERT OR REPLACE INTO hosted_blobs VALUES (?, ?, ?)", [(repository, each, now) for each in digests]
    )


def has_blob(c: sqlite3.Connection, repository: str, digest: Digest) -> bool:
    """Whether the repository was given this blob."""
    return _exists(c, "hosted_blobs WHERE repository = ? AND digest = ?", repository, digest)


def delete_blob(c: sqlite3.Connection, repository: str, digest: Digest) -> bool:
    """Afterwards the repository has not been given this blob. Whether it had."""
    return (
        c.execute(
            "DELETE FROM hosted_blobs WHERE repository = ? AND digest = ?", (repository, digest)
        ).rowcount
        > 0
    )


def old_blobs(c: sqlite3.Connection, before: float) -> dict[str, set[Digest]]:
    """The blobs that nobody counted on since `before` (seconds since 1970), by repository."""
    found: dict[str, set[Digest]] = {}
    rows = c.execute("SELECT repository, digest FROM hosted_blobs WHERE added < ?", (before,))
    for repository, digest in rows:
        found.setdefault(repository, set()).add(Digest(digest))
    return found


def age_blobs(c: sqlite3.Connection, repository: str, digests: Iterable[Digest]) -> None:
    """Nobody counts on these any more: they go with the next clean-up, unless a manifest names them."""
    c.executemany(
        "UPDATE hosted_blobs SET added = 0 WHERE repository = ? AND digest = ?",
        [(repository, each) for each in digests],
    )


# --- all of it


def repositories(c: sqlite3.Connection) -> list[str]:
    """The repositories that something was pushed to and is still there, in full; sorted."""
    rows = c.execute("SELECT DISTINCT repository FROM hosted_manifests ORDER BY repository")
    return [repository for (repository,) in rows]


def is_known(c: sqlite3.Connection, repository: str) -> bool:
    """Whether anything was pushed to the repository."""
    return _exists(c, "hosted_manifests WHERE repository = ?", repository) or _exists(
        c, "hosted_blobs WHERE repository = ?", repository
    )


def documents(c: sqlite3.Connection) -> set[Digest]:
    """The manifests and indexes of all repositories."""
    return {Digest(digest) for (digest,) in c.execute("SELECT digest FROM hosted_manifests")}


def blobs(c: sqlite3.Connection) -> set[Digest]:
    """What repositories have, manifests included. A plain layer may be there only as files, not as a blob."""
    rows = c.execute("SELECT digest FROM hosted_blobs")
    return documents(c).union(Digest(digest) for (digest,) in rows)


def diffs(c: sqlite3.Connection) -> set[DiffID]:
    """Layers that some repository has as plain tars: these are made from the files of the layer."""
    rows = c.execute("SELECT diff_id FROM diffs WHERE diff_id IN (SELECT digest FROM hosted_blobs)")
    return {DiffID(diff_id) for (diff_id,) in rows}


def images(c: sqlite3.Connection) -> set[ImageID]:
    """The images of the store that were pushed and are hosted, by themselves or in an index."""
    rows = c.execute(
        "SELECT image_id FROM images WHERE manifest IN (SELECT digest FROM hosted_manifests) UNION "
        "SELECT image_id FROM index_images WHERE manifest IN (SELECT digest FROM hosted_manifests) "
        "OR digest IN (SELECT digest FROM hosted_manifests)"
    )
    return {ImageID(image_id) for (image_id,) in rows}


def of_image(c: sqlite3.Connection, image_id: ImageID) -> list[Digest]:
    """The manifests that an image of the store has, by itself and in indexes."""
    rows = c.execute(
        "SELECT manifest FROM images WHERE image_id = ? UNION "
        "SELECT manifest FROM index_images WHERE image_id = ?",
        (image_id, image_id),
    )
    return [Digest(digest) for (digest,) in rows]


def _exists(c: sqlite3.Connection, rows: str, *values: str) -> bool:
    return c.execute(f"SELECT 1 FROM {rows} LIMIT 1", values).fetchone() is not None
