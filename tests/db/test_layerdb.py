"""Diffs, and layers on layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamina.db import cachedb, imagedb, layerdb
from lamina.errors import Conflict, NotFound
from lamina.oci.digest import ChainID, DiffID, sha256
from lamina.tree.entry import Entry, Kind
from tests.db.making import WHEN, a_diff, an_image, put_chain

if TYPE_CHECKING:
    from lamina.db.connect import Database


def test_a_diff_is_put_once_and_keeps_its_first_blob(db: Database) -> None:
    blob, other = sha256(b"blob"), sha256(b"other")
    with db.write() as tx:
        assert layerdb.put_diff(tx, a_diff("a"))
        assert not layerdb.put_diff(tx, a_diff("a")._replace(size=99))
        assert layerdb.get_diff(tx, a_diff("a").diff_id) == a_diff("a")
        for digest in (blob, other):
            layerdb.put_diff(tx, a_diff("a")._replace(blob=digest, media_type="gzip"))
        assert layerdb.need_diff(tx, a_diff("a").diff_id) == a_diff("a")._replace(
            blob=blob, media_type="gzip"
        )
        layerdb.put_diff(tx, a_diff("b"))
    assert [diff.diff_id for diff in layerdb.diffs(db.read())] == [a_diff("a").diff_id, a_diff("b").diff_id]
    assert layerdb.get_diff(db.read(), DiffID("none")) is None
    with pytest.raises(NotFound):
        layerdb.need_diff(db.read(), DiffID("none"))


def test_chains(db: Database) -> None:
    with db.write() as tx:
        a, b, c = put_chain(tx, "a", "b", "c")
        x = put_chain(tx, "a", "b", "x")[-1]
        alone = put_chain(tx, "b")[0]
    read = db.read()
    assert layerdb.chain(read, c.chain_id) == [a, b, c]
    assert layerdb.chain(read, None) == []
    assert (a.depth, b.depth, c.depth) == (1, 2, 3)
    assert a.content_id == a_diff("a").content_id
    assert b.content_id == sha256(f"{a.content_id} {a_diff('b').content_id}".encode())[7:]
    assert {layer.chain_id for layer in layerdb.children(read, b.chain_id)} == {c.chain_id, x.chain_id}
    assert {layer.chain_id for layer in layerdb.children(read, None)} == {a.chain_id, alone.chain_id}
    assert layerdb.layers_using(read, a_diff("b").diff_id) == [alone, b]
    assert len(layerdb.layers(read)) == 5
    with pytest.raises(NotFound):
        layerdb.chain(read, ChainID("none"))
    with pytest.raises(NotFound):
        layerdb.need_layer(read, ChainID("none"))


def test_the_first_layer_stays(db: Database) -> None:
    with db.write() as tx:
        (first,) = put_chain(tx, "a")
        assert layerdb.put_layer(tx, first._replace(created_by="COPY", created="later")) == first
    assert layerdb.get_layer(db.read(), first.chain_id) == first


def test_a_chain_of_500(db: Database) -> None:
    with db.write() as tx:
        layers = put_chain(tx, *[str(number) for number in range(500)])
    assert layerdb.chain(db.read(), layers[-1].chain_id) == layers


def test_what_is_in_use_is_not_deleted(db: Database) -> None:
    with db.write() as tx:
        a, b = put_chain(tx, "a", "b")
        imagedb.put_image(tx, an_image("i"), [a.chain_id, b.chain_id])
        cachedb.put_files(tx, a.diff_id, [Entry(b"file", Kind.FILE)])
    for action in (
        lambda tx: layerdb.delete_diff(tx, a.diff_id),
        lambda tx: layerdb.delete_layer(tx, a.chain_id),
        lambda tx: layerdb.delete_layer(tx, b.chain_id),
        lambda tx: layerdb.put_layer(tx, layerdb.make_layer(b, a_diff("unknown"), "RUN", WHEN)),
    ):
        with pytest.raises(Conflict), db.write() as tx:
            action(tx)
    with db.write() as tx:
        imagedb.delete_image(tx, an_image("i").image_id)
        for layer in (b, a):
            layerdb.delete_layer(tx, layer.chain_id)
            layerdb.delete_diff(tx, layer.diff_id)
    assert layerdb.diffs(db.read()) == []
    assert db.read().execute("SELECT count(*) FROM files").fetchone() == (0,)
