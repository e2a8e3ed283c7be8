"""A store with a few images in its rows and blobs, without a file in their layers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lamina.db import imagedb, layerdb
from lamina.db.connect import Database
from lamina.insight.rows import Rows
from lamina.oci import digest
from lamina.oci.digest import ChainID, DiffID, Digest, ImageID
from lamina.store.blobs import BlobStore
from lamina.store.layout import Layout
from lamina.store.lease import Lease
from tests.layers.conftest import folder, make_store, store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["folder", "make_store", "shelf", "store"]

MOMENT = "2026-11-23T06:00:00Z"


class Shelf:
    """Puts images on the store's shelf, one after the other a minute newer."""

    def __init__(self, layout: Layout, lease: Lease) -> None:
        self.layout = layout
        self.blobs = BlobStore(layout, lease)
        self.db = Database.open(layout.database)
        self._count = 0

    @property
    def rows(self) -> Rows:
        return Rows(self.db.read(), self.blobs, self.layout)

    def put(
        self, layers: Sequence[str], history: Sequence[dict[str, object]], *tags: str, **more: object
    ) -> ImageID:
        """An image of layers named by words; a layer has a byte for each letter of its word."""
        diff_ids = [DiffID(digest.sha256(word.encode())) for word in layers]
        created = f"2026-11-23T06:{self._count:02}:00Z"
        self._count += 1
        document = {
            "architecture": "amd64",
            "os": "linux",
            "created": created,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": list(history),
            **more,
        }
        image_id = ImageID(self.blobs.put(json.dumps(document).encode()))
        with self.db.write() as tx:
            chain = self._layers(tx, layers, diff_ids)
            size = sum(map(len, layers))
            row = imagedb.ImageRow(image_id, Digest(image_id), created, size, "linux", "amd64", "", MOMENT)
            imagedb.put_image(tx, row, chain)
            for tag in tags:
                imagedb.put_tag(tx, tag, image_id)
        return image_id

    def _layers(self, tx: object, words: Sequence[str], diff_ids: Sequence[DiffID]) -> list[ChainID]:
        parent: layerdb.Layer | None = None
        chain = []
        for word, diff_id in zip(words, diff_ids, strict=True):
            diff = layerdb.Diff(diff_id, word, len(word), 1024, 1, None, "")
            layerdb.put_diff(tx, diff)  # type: ignore[arg-type]
            parent = layerdb.put_layer(tx, layerdb.make_layer(parent, diff, "", MOMENT))  # type: ignore[arg-type]
            chain.append(parent.chain_id)
        return chain


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    layout = Layout(str(tmp_path / "root"))
    layout.prepare()
    with Lease.acquire(layout) as lease:
        shelf = Shelf(layout, lease)
        yield shelf
        shelf.db.close()
