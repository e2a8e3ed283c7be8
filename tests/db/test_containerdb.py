"""Containers: names, prefixes, states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamina.db import cachedb, containerdb
from lamina.db.containerdb import EXITED, RUNNING
from lamina.errors import Conflict, NotFound
from tests.db.making import WHEN, a_container, an_image, put_chain

if TYPE_CHECKING:
    from lamina.db.connect import Database

IMAGE = an_image("i").image_id


def test_making_finding_changing_removing(db: Database) -> None:
    one, two = a_container("one", IMAGE), a_container("two", IMAGE)
    with db.write() as tx:
        containerdb.create(tx, one)
        containerdb.create(tx, two)
        cachedb.put_writable(tx, cachedb.Writable(one.id, None, WHEN, ""))
    read = db.read()
    for text in (one.id, one.id[:6], "one", "/one"):
        assert containerdb.find(read, text) == one
    assert {c.name for c in containerdb.containers(read)} == {"one", "two"}
    running = two._replace(state=RUNNING, pid=12, pid_start=34, started=WHEN)
    with db.write() as tx:
        containerdb.update(tx, running)
    assert containerdb.get(read, two.id) == running
    assert [c.name for c in containerdb.using_image(read, IMAGE)] == ["two", "one"]
    with db.write() as tx:
        containerdb.update(tx, running._replace(state=EXITED, pid=0, pid_start=0, exit_code=137))
        containerdb.delete(tx, one.id)
        containerdb.delete(tx, one.id)
    assert cachedb.writables(read) == []
    with pytest.raises(NotFound, match="No such container: one"):
        containerdb.find(read, "one")
    with pytest.raises(NotFound), db.write() as tx:
        containerdb.update(tx, one)


def test_names_are_taken_once(db: Database) -> None:
    one = a_container("one", IMAGE)
    with db.write() as tx:
        containerdb.create(tx, one)
    message = f'name "/one" is already in use by container "{one.id}"'
    with pytest.raises(Conflict, match=message), db.write() as tx:
        containerdb.create(tx, one._replace(id="f" * 64))


def test_a_prefix_of_several(db: Database) -> None:
    with db.write() as tx:
        for name in ("ab1", "ab2"):
            containerdb.create(tx, a_container(name, IMAGE)._replace(id=name.ljust(64, "0")))
        containerdb.create(tx, a_container("ab", IMAGE)._replace(id="e" * 64))
    assert containerdb.find(db.read(), "ab").id == "e" * 64  # a name goes before a prefix
    with pytest.raises(Conflict, match="Multiple IDs"):
        containerdb.find(db.read(), "a")
    for none in ("", "%", "zz"):
        with pytest.raises(NotFound):
            containerdb.find(db.read(), none)


def test_its_layer_is_kept(db: Database) -> None:
    from lamina.db import layerdb

    with db.write() as tx:
        (layer,) = put_chain(tx, "a")
        containerdb.create(tx, a_container("one", IMAGE, layer.chain_id))
    with pytest.raises(Conflict), db.write() as tx:
        layerdb.delete_layer(tx, layer.chain_id)
