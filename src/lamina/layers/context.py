"""What every function of this room works on: one store, opened by one process that holds one lease."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.db.connect import Database
    from lamina.layers.absent import Fetcher
    from lamina.oci.digest import DiffID
    from lamina.store.blobs import BlobStore
    from lamina.store.layout import Layout
    from lamina.store.lease import Lease


class Layers(NamedTuple):
    """The store as layers see it. `lease` names our temporary files, so that others know whose they are.

    `fetch` makes what brings layers that are elsewhere (layers.absent); None where nothing is to be fetched.
    """

    layout: Layout
    blobs: BlobStore
    db: Database
    lease: Lease
    fetch: Callable[[], Fetcher] | None = None

    def temp_path(self) -> str:
        """A new path beside the layers for a temporary file or folder of ours; nothing is made."""
        return f"{self.layout.diff}/{self.lease.temp_name()}"

    def open_file(self, diff_id: DiffID, path: bytes) -> BinaryIO:
        """The content of one file of a layer, unbuffered. Corrupt when it is not there."""
        from lamina.layers.difffiles import open_in_diff  # most of what knows the store reads no layer

        return open_in_diff(self, diff_id, path)
