"""expire: blobs that were uploaded and that no manifest of their repository names go after a day."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lamina.db import hosted
from lamina.errors import LaminaError
from lamina.serving.documents import read

if TYPE_CHECKING:
    import sqlite3

    from lamina.layers.context import Layers
    from lamina.oci.digest import Digest

LIFE = 24 * 3600.0  # seconds: a push may take long, and its manifest comes last


def expire(ctx: Layers) -> bool:
    """Forgets which repositories have such blobs; a sweep removes their bytes. Whether there were any."""
    before = time.time() - LIFE
    if not hosted.old_blobs(ctx.db.read(), before):
        return False
    gone = False
    with ctx.db.write() as tx:
        for repository, digests in hosted.old_blobs(tx, before).items():
            for digest in digests - _named(ctx, tx, repository):
                gone = hosted.delete_blob(tx, repository, digest) or gone
    return gone


def _named(ctx: Layers, tx: sqlite3.Connection, repository: str) -> set[Digest]:
    """The blobs that manifests of a repository name."""
    found: set[Digest] = set()
    for row in hosted.manifests(tx, repository):
        try:
            found.update(each.digest for each in read(ctx.blobs.read(row.digest), row.media_type).blobs)
        except LaminaError:  # damaged: what it named is not known, so nothing goes
            return {digest for digests in hosted.old_blobs(tx, time.time()).values() for digest in digests}
    return found
