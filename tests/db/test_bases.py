"""Base images by layers: which images are below another, and which of them only were on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import builds, imagedb, layerdb
from lamina.db.bases import bases
from lamina.oci import digest
from lamina.oci.digest import DiffID, Digest, ImageID
from tests.db.test_builds import build_row, step_row

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from lamina.db.connect import Database

MOMENT = "2026-11-23T06:00:00Z"


def put(db: Database, name: str, words: str, *, tagged: bool = True) -> ImageID:
    """An image with a layer for each word; returns its ID."""
    image_id = ImageID(digest.sha256(f"image {name}".encode()))
    with db.write() as tx:
        chain = [layer.chain_id for layer in stack(tx, words)]
        row = imagedb.ImageRow(image_id, Digest(image_id), MOMENT, 1, "linux", "amd64", "", MOMENT)
        imagedb.put_image(tx, row, chain)
        if tagged:
            imagedb.put_tag(tx, name, image_id)
    return image_id


def stack(tx: sqlite3.Connection, words: str) -> list[layerdb.Layer]:
    layers: list[layerdb.Layer] = []
    for word in words.split():
        diff = layerdb.Diff(DiffID(digest.sha256(word.encode())), word, 1, 1024, 1, None, "")
        layerdb.put_diff(tx, diff)
        parent = layers[-1] if layers else None
        layers.append(layerdb.put_layer(tx, layerdb.make_layer(parent, diff, "", MOMENT)))
    return layers


def record(db: Database, build: str, words: str, own: Sequence[int]) -> None:
    """A build of a stack that made the layers with these numbers (from 0); the others came with its FROM."""
    with db.write() as tx:
        steps = []
        for number, layer in enumerate(stack(tx, words)):
            status = "run" if number in own else "from"
            place = number + 2 if number in own else 1
            step = step_row(number, status)
            steps.append(
                (*step[:4], place, *step[5:9], layer.diff_id, *step[10:12], layer.chain_id, *step[13:])
            )
        builds.put(tx, build_row(build), steps)


def found(db: Database, image_id: ImageID) -> list[tuple[int, tuple[str, ...]]]:
    return [(base.layers, base.names) for base in bases(db.read(), image_id)]


def test_what_has_the_lowest_layers(db: Database) -> None:
    app = put(db, "app", "a b c")
    put(db, "low", "a")
    put(db, "high", "a b")
    put(db, "nameless", "a b", tagged=False)
    put(db, "other", "b")
    put(db, "same", "a b c")
    put(db, "more", "a b c d")
    assert found(db, app) == [(2, ("high",)), (2, ()), (1, ("low",))]


def test_what_its_own_build_made_is_none(db: Database) -> None:
    """Neither for the image nor for what stands on it."""
    app = put(db, "app", "a b c d")
    put(db, "base", "a")
    put(db, "earlier", "a b", tagged=False)
    put(db, "earlier still", "a b c", tagged=False)
    assert [layers for layers, _ in found(db, app)] == [3, 2, 1]
    record(db, "b1", "a b c d", own=(1, 2, 3))
    assert found(db, app) == [(1, ("base",))]
    assert found(db, put(db, "on it", "a b c d e")) == [(4, ("app",)), (1, ("base",))]


def test_another_build_that_stands_on_an_image_leaves_it_a_base(db: Database) -> None:
    app = put(db, "app", "a b c")
    put(db, "lib", "a b")
    record(db, "b1", "a b", own=(0, 1))
    record(db, "b2", "a b c", own=(2,))
    assert found(db, app) == [(2, ("lib",))]
