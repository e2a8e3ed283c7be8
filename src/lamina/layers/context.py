"""What every function of this room works on: one store, opened by one process that holds one lease."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lamina.db.connect import Database
    from lamina.store.blobs import BlobStore
    from lamina.store.layout import Layout
    from lamina.store.lease import Lease


class Layers(NamedTuple):
    """The store as layers see it. `lease` names our temporary files, so that others know whose they are."""

    layout: Layout
    blobs: BlobStore
    db: Database
    lease: Lease
