"""Images, their layers, and their names; and which image a user means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamina.db import imagedb
from lamina.db.names import Named, resolve_image
from lamina.errors import Conflict, InvalidInput, NotFound
from lamina.oci.digest import ImageID
from tests.db.making import an_image, put_chain

if TYPE_CHECKING:
    from lamina.db.connect import Database

BUSYBOX = "docker.io/library/busybox:latest"


def test_an_image_is_put_once(db: Database) -> None:
    with db.write() as tx:
        chain = [layer.chain_id for layer in put_chain(tx, "a", "b", "a")]
        assert imagedb.put_image(tx, an_image("i"), chain) == an_image("i")
        assert imagedb.put_image(tx, an_image("i")._replace(size=99), []) == an_image("i")
        imagedb.put_image(tx, an_image("j"), chain[:1])
    read = db.read()
    image_id = an_image("i").image_id
    assert imagedb.get_image(read, image_id) == imagedb.need_image(read, image_id) == an_image("i")
    assert imagedb.layers_of(read, image_id) == chain
    assert imagedb.images_with_layer(read, chain[1]) == [image_id]
    assert len(imagedb.images_with_layer(read, chain[0])) == 2
    assert len(imagedb.images(read)) == 2
    assert imagedb.get_image(read, ImageID("none")) is None
    with pytest.raises(NotFound, match="No such image: none"):
        imagedb.need_image(read, ImageID("none"))


def test_names_move_and_go_with_the_image(db: Database) -> None:
    i, j = an_image("i").image_id, an_image("j").image_id
    with db.write() as tx:
        for word in "ij":
            imagedb.put_image(tx, an_image(word), [])
        assert imagedb.put_tag(tx, "b", i) is None
        assert imagedb.put_tag(tx, "a", i) is None
        assert imagedb.put_tag(tx, "b", i) is None
        assert imagedb.put_tag(tx, "b", j) == i
    assert imagedb.all_tags(db.read()) == [("a", i), ("b", j)]
    assert imagedb.tags(db.read(), i) == ["a"] and imagedb.get_tag(db.read(), "b") == j
    with db.write() as tx:
        assert imagedb.delete_tag(tx, "a")
        assert not imagedb.delete_tag(tx, "a")
        imagedb.delete_image(tx, j)
    assert imagedb.all_tags(db.read()) == []
    with pytest.raises(Conflict), db.write() as tx:
        imagedb.put_tag(tx, "c", j)


def put_ids(db: Database, *starts: str) -> list[ImageID]:
    ids = [ImageID("sha256:" + start.ljust(64, "0")) for start in starts]
    with db.write() as tx:
        for image_id in ids:
            imagedb.put_image(tx, an_image("x")._replace(image_id=image_id), [])
    return ids


def test_the_start_of_an_id(db: Database) -> None:
    first, second, last = put_ids(db, "abc1", "abc2", "ffff")
    read = db.read()
    assert imagedb.find_image(read, "abc1") == [first] == imagedb.find_image(read, "sha256:abc1")
    assert imagedb.find_image(read, "abc") == [first, second]
    assert imagedb.find_image(read, "f") == [last] == imagedb.find_image(read, last)
    for none in ("", "sha256:", "abd", "ABC1", "%", "g", "f" * 65):
        assert imagedb.find_image(read, none) == []


def test_what_a_user_means(db: Database) -> None:
    first, second, third = put_ids(db, "abc1", "abc2", "cafe")
    with db.write() as tx:
        imagedb.put_tag(tx, BUSYBOX, first)
        imagedb.put_tag(tx, "docker.io/library/cafe:latest", second)
        imagedb.put_tag(tx, "localhost:5000/a/b:1", third)
    read = db.read()
    for text in ("busybox", "busybox:latest", "library/busybox", "docker.io/library/busybox"):
        assert resolve_image(read, text) == Named(first, BUSYBOX)
    assert resolve_image(read, "localhost:5000/a/b:1").image_id == third
    assert resolve_image(read, "cafe").image_id == second  # a name goes before an ID
    assert resolve_image(read, "sha256:cafe") == Named(third, None)
    assert resolve_image(read, "abc1") == Named(first, None) == resolve_image(read, first)
    assert resolve_image(read, third[7:]) == Named(third, None)
    with pytest.raises(Conflict, match="ambiguous"):
        resolve_image(read, "abc")
    for text, shown in (("nope", "nope:latest"), ("busybox:1", "busybox:1"), ("fade", "fade")):
        with pytest.raises(NotFound, match=f"No such image: {shown}$"):
            resolve_image(read, text)
    with pytest.raises(InvalidInput):
        resolve_image(read, "Not A Name")
