"""What every question is asked of: the rows, the blobs, and where the layers' files lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3

    from lamina.store.blobs import BlobStore
    from lamina.store.layout import Layout


class Rows(NamedTuple):
    """A store as insight sees it: read-only."""

    connection: sqlite3.Connection
    blobs: BlobStore
    layout: Layout
