"""Indexes, the images in them, and the names that stand for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamina.db import imagedb, indexdb
from lamina.db.indexdb import IndexRow, Member
from lamina.db.names import for_platform, resolve_image
from lamina.errors import Conflict, NotFound
from lamina.oci import platform as platforms
from lamina.oci.digest import sha256
from tests.db.making import WHEN, an_image

if TYPE_CHECKING:
    import sqlite3

    from lamina.db.connect import Database
    from lamina.oci.digest import Digest

NAME = "docker.io/library/multi:latest"


def put(c: sqlite3.Connection, word: str, *platform_names: str) -> Digest:
    """An index with an image for each platform; the first one stands for it."""
    members = []
    for name in platform_names:
        platform = platforms.parse(name)
        row = an_image(word + name)._replace(architecture=platform.architecture, variant=platform.variant)
        imagedb.put_image(c, row, [])
        members.append(Member(row.image_id, row.manifest))
    digest = sha256(word.encode())
    indexdb.put_index(c, IndexRow(digest, members[0].image_id, WHEN), members)
    return digest


def test_an_index_is_put_once(db: Database) -> None:
    with db.write() as tx:
        digest = put(tx, "i", "linux/amd64", "linux/arm64")
        put(tx, "i", "linux/amd64")
    c = db.read()
    assert [row.digest for row in indexdb.indexes(c)] == [digest]
    assert len(indexdb.members(c, digest)) == 2
    assert indexdb.get_index(c, digest) == IndexRow(digest, indexdb.members(c, digest)[0].image_id, WHEN)
    assert indexdb.get_index(c, sha256(b"none")) is None
    assert [row.digest for row in indexdb.find_index(c, digest[7:17])] == [digest]
    assert indexdb.indexes_with(c, indexdb.members(c, digest)[1].image_id) == [digest]


def test_a_name_moves_between_an_image_and_an_index(db: Database) -> None:
    with db.write() as tx:
        digest = put(tx, "i", "linux/amd64", "linux/arm64")
        image_id = indexdb.members(tx, digest)[0].image_id
        imagedb.put_tag(tx, NAME, image_id, digest)
    c = db.read()
    assert indexdb.tags(c, digest) == [NAME] and indexdb.index_of(c, NAME) == digest
    assert imagedb.is_tagged(c, NAME, image_id, digest) and not imagedb.is_tagged(c, NAME, image_id)
    with db.write() as tx:
        assert imagedb.put_tag(tx, NAME, image_id) is None
    assert indexdb.tags(db.read(), digest) == [] and indexdb.index_of(db.read(), NAME) is None


def test_an_index_goes_with_any_of_its_images(db: Database) -> None:
    with db.write() as tx:
        digest = put(tx, "i", "linux/amd64", "linux/arm64")
        first, second = indexdb.members(tx, digest)
        imagedb.put_tag(tx, NAME, first.image_id, digest)
        imagedb.delete_image(tx, second.image_id)
    c = db.read()
    assert indexdb.indexes(c) == [] and imagedb.all_tags(c) == []
    assert [image.image_id for image in imagedb.images(c)] == [first.image_id]


def test_deleting_an_index_leaves_its_images(db: Database) -> None:
    with db.write() as tx:
        digest = put(tx, "i", "linux/amd64", "linux/arm64")
        imagedb.put_tag(tx, NAME, indexdb.members(tx, digest)[0].image_id, digest)
        indexdb.delete_index(tx, digest)
    assert imagedb.all_tags(db.read()) == [] and len(imagedb.images(db.read())) == 2
    assert indexdb.all_members(db.read()) == []


def test_no_index_without_its_images(db: Database) -> None:
    missing = an_image("missing")
    with pytest.raises(Conflict), db.write() as tx:
        row = IndexRow(sha256(b"x"), missing.image_id, WHEN)
        indexdb.put_index(tx, row, [Member(missing.image_id, missing.manifest)])


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("linux/arm/v7", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/arm/v8", "linux/arm/v7"),  # the nearest that it runs
        ("linux/amd64", "linux/amd64"),
        ("linux/amd64/v4", "linux/amd64/v2"),
        ("linux/arm64", None),
        ("linux/arm/v5", None),
    ],
)
def test_the_image_for_a_platform(db: Database, wanted: str, found: str | None) -> None:
    have = ("linux/amd64", "linux/amd64/v2", "linux/arm/v6", "linux/arm/v7")
    with db.write() as tx:
        digest = put(tx, "i", *have)
        imagedb.put_tag(tx, NAME, indexdb.members(tx, digest)[0].image_id, digest)
    c = db.read()
    named = resolve_image(c, "multi")
    if found is None:
        with pytest.raises(NotFound, match=f"wanted {wanted}, actual: {', '.join(have)}"):
            for_platform(c, named, platforms.parse(wanted))
        return
    row = imagedb.need_image(c, for_platform(c, named, platforms.parse(wanted)).image_id)
    assert "/".join(filter(None, (row.os, row.architecture, row.variant))) == found
