"""Sieves hold back nothing that a layer has, and are right after every way that rows come or change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.db import cachedb, holders, layerdb, sieves
from lamina.db.connect import Database
from lamina.db.packagedb import Listed, key_of, places_listing, put_file, put_layer
from lamina.tree.entry import Entry, Kind
from tests.db.making import a_diff

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

NAMES = st.binary(min_size=1, max_size=3).filter(lambda name: b"/" not in name and b"\0" not in name)
FILES = st.dictionaries(NAMES, st.one_of(st.none(), st.binary(min_size=32, max_size=32)), max_size=6)


@pytest.fixture
def db() -> Iterator[Database]:
    with Database.open(":memory:") as made:
        yield made


def entries(files: dict[bytes, bytes | None]) -> list[Entry]:
    return [
        Entry(name, Kind.FILE, size=1, digest=digest.hex()) if digest else Entry(name, Kind.DIR)
        for name, digest in files.items()
    ]


def put(tx: sqlite3.Connection, word: str, files: list[Entry]) -> int:
    layerdb.put_diff(tx, a_diff(word))
    cachedb.put_files(tx, a_diff(word).diff_id, files)
    return int(tx.execute("SELECT max(num) FROM diffs").fetchone()[0])


@given(st.lists(FILES, max_size=4))
def test_all_that_a_layer_has_goes_through(layers: list[dict[bytes, bytes | None]]) -> None:
    with Database.open(":memory:") as db:
        with db.write() as tx:
            numbers = [put(tx, str(place), entries(files)) for place, files in enumerate(layers)]
        c = db.read()
        for number, files in zip(numbers, layers, strict=True):
            for name, digest in files.items():
                assert number in sieves.may_have_name(c, name)
                if digest:
                    assert number in sieves.may_have_digest(c, digest)
                    found = holders.with_digest(c, digest.hex()[:9])
                    assert (number, name) in [(held.diff, held.entry.path) for held in found]


def test_a_layer_without_it_is_passed_over(db: Database) -> None:
    with db.write() as tx:
        first = put(tx, "a", [Entry(b"x", Kind.FILE, digest="11" * 32)])
        second = put(tx, "b", [Entry(b"y", Kind.FILE, digest="22" * 32)])
    c = db.read()
    assert sieves.may_have_digest(c, b"\x11" * 32) == [first]
    assert sieves.may_have_name(c, b"y") == [second]
    assert not sieves.lacking(c)


def test_rows_of_an_older_store_go_through_until_they_are_filled(db: Database) -> None:
    with db.write() as tx:
        put(tx, "a", [Entry(b"x", Kind.FILE, digest="11" * 32)])
        number = put(tx, "b", [Entry(b"y", Kind.FILE, digest="22" * 32)])
        tx.execute("DELETE FROM digest_sieves WHERE diff = ?", (number,))
        tx.execute("DELETE FROM name_sieves WHERE diff = ?", (number,))
    c = db.read()
    assert sieves.lacking(c) == [number]
    assert sieves.may_have_digest(c, b"\x33" * 32) == [number]
    with db.write() as tx:
        sieves.fill(tx)
    assert not sieves.lacking(c)
    assert sieves.may_have_digest(c, b"\x33" * 32) == []
    assert sieves.may_have_name(c, b"y") == [number]


def test_they_follow_their_layer(db: Database) -> None:
    with db.write() as tx:
        number = put(tx, "a", [Entry(b"x", Kind.FILE, digest="11" * 32)])
        cachedb.replace_files(tx, a_diff("a").diff_id, [Entry(b"z", Kind.FILE, digest="44" * 32)])
    c = db.read()
    assert sieves.may_have_digest(c, b"\x44" * 32) == [number]
    assert sieves.may_have_digest(c, b"\x11" * 32) == []
    with db.write() as tx:
        layerdb.delete_diff(tx, a_diff("a").diff_id)
    assert c.execute("SELECT count(*) FROM name_sieves").fetchone() == (0,)


def test_packages_by_name_source_version_and_pattern(db: Database) -> None:
    with db.write() as tx:
        number = put(tx, "a", [])
        deb = put_file(
            tx, "deb", b"d", [Listed("libssl3", "3.0.1", "amd64", "openssl"), Listed("sed", "4", "")]
        )
        assert put_file(tx, "deb", b"d", []) == deb
        pypi = put_file(tx, "pypi", b"d", [Listed("Ruamel.YAML", "0.18", "")])
        put_layer(tx, number, [(b"status", deb), (b"x/METADATA", pypi)])
        put_layer(tx, number + 1, [(b"status", deb)])  # a layer that has gone

    def names(*asked: str) -> list[str]:
        return [place.listed.name for place in places_listing(db.read(), *asked)]

    assert names("openssl") == names("libssl3", "3.0.1") == names("lib*", "3.0.*", "deb") == ["libssl3"]
    assert names("ruamel_yaml") == names("ruamel-*") == ["Ruamel.YAML"]
    assert names("libssl3", "3.0.2") == names("libssl3", "", "rpm") == names("libssl") == []
    assert key_of("deb", "A_b") == "A_b"
