"""An open store, inside."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from lamina.db.connect import Database
from lamina.layers.context import Layers
from lamina.store.blobs import BlobStore
from lamina.store.files import remove_tree
from lamina.store.layout import Layout
from lamina.store.lease import Lease
from tests.machine import quick_place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.mount.userns import IdMap


@pytest.fixture
def ctx(inside: IdMap) -> Iterator[Layers]:
    with new_store() as opened:
        yield opened


@pytest.fixture
def other(inside: IdMap) -> Iterator[Layers]:
    """Another machine's store."""
    with new_store() as opened:
        yield opened


@contextmanager
def new_store() -> Iterator[Layers]:
    """An empty store, which is gone afterwards."""
    folder = tempfile.mkdtemp(prefix="lamina-mounts-", dir=quick_place())
    opened = open_store(folder + "/root")
    try:
        yield opened
    finally:
        opened.db.close()
        opened.lease.release()
        remove_tree(folder)


def open_store(root: str) -> Layers:
    layout = Layout(root)
    lease = Lease.acquire(layout)
    return Layers(layout, BlobStore(layout, lease), Database.open(layout.database), lease)
