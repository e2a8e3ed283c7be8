"""Files of layers and of their merged view; steps; writable layers; build contexts; leases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.db import cachedb, layerdb, leases
from lamina.db.cachedb import Ingredient, Stat, Step, Writable
from lamina.errors import NotFound
from lamina.oci.digest import DiffID, sha256
from lamina.tree.entry import Entry, Kind
from tests.db.making import WHEN, a_diff, put_chain

if TYPE_CHECKING:
    from lamina.db.connect import Database

# A naive merged view: what is at each path, and which layer it is from.
View = dict[bytes, tuple[DiffID, Entry]]


def below(path: bytes, view: View) -> list[bytes]:
    return [other for other in view if path == b"" or other.startswith(path + b"/")]


def merged(layers: list[tuple[DiffID, list[Entry]]]) -> View:
    """Puts layers on each other, bottom first, path by path."""
    view: View = {}
    for diff_id, entries in layers:
        for entry in entries:  # first all that goes, then all that comes
            if entry.kind is not Kind.DIR or entry.opaque:
                for path in below(entry.path, view):
                    del view[path]
            if entry.kind is Kind.WHITEOUT:
                view.pop(entry.path, None)
        for entry in entries:
            if entry.kind is not Kind.WHITEOUT:
                view[entry.path] = (diff_id, entry)
    return view


NAMES = [b"a", b"b", b"b-", b"\xff\n"]
LEAVES = [Kind.FILE, Kind.SYMLINK, Kind.WHITEOUT, Kind.FIFO]


@st.composite
def layer(draw: st.DrawFn) -> list[Entry]:
    """A layer in which every folder that an entry lies in has its own row."""
    entries: list[Entry] = []

    def fill(folder: bytes, depth: int) -> None:
        for name in NAMES:
            path = folder + b"/" + name if folder else name
            what = draw(
                st.sampled_from(["nothing", "nothing", "leaf", "folder"] if depth else ["nothing", "leaf"])
            )
            if what == "leaf":
                entries.append(Entry(path, draw(st.sampled_from(LEAVES)), mode=draw(st.integers(0, 0o7777))))
            elif what == "folder":
                entries.append(Entry(path, Kind.DIR, opaque=draw(st.booleans())))
                fill(path, depth - 1)

    if draw(st.integers(0, 9)) == 0:
        entries.append(Entry(b"", Kind.DIR, opaque=draw(st.booleans())))
    fill(b"", 3)
    return entries


@given(st.lists(layer(), max_size=5))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=120,
    deadline=None,
)
def test_the_merged_view_is_the_naive_one(db: Database, stack: list[list[Entry]]) -> None:
    layers = [(DiffID(sha256(str(number).encode())), entries) for number, entries in enumerate(stack)]
    view = merged(layers)
    top_first = [diff_id for diff_id, _ in reversed(layers)]
    every = {entry.path for _, entries in layers for entry in entries} | {b"", b"none", b"a/none/x", b"b/b"}
    with db.write(durable=False) as tx:
        for diff_id, entries in layers:
            layerdb.put_diff(tx, a_diff("x")._replace(diff_id=diff_id))
            cachedb.put_files(tx, diff_id, entries)
        for diff_id, entries in layers:
            assert cachedb.files(tx, diff_id) == sorted(entries)
        for path in every:
            assert cachedb.lookup(tx, top_first, path) == view.get(path)
            children = {p.rpartition(b"/")[2]: view[p] for p in view if p and p.rpartition(b"/")[0] == path}
            listed = cachedb.list_dir(tx, top_first, path)
            assert listed == children and list(listed) == sorted(children)
        for diff_id, _ in layers:
            layerdb.delete_diff(tx, diff_id)


def test_every_field_of_an_entry_comes_back(db: Database) -> None:
    entries = [
        Entry(b"", Kind.DIR, 0o700),
        Entry(b"\xff\xfe", Kind.BLOCK, 0o600, rdev=(259, 0xFFFFF)),
        Entry(b"dir", Kind.DIR, 0o1777, 2**32 - 2, 65534, mtime=-1, opaque=True),
        Entry(b"dir/null", Kind.CHAR, rdev=(1, 3)),
        Entry(
            b"dir/set\nuid", Kind.FILE, 0o4755, 1, 2, 2**40, 2**62, b"", (0, 0),
            ((b"security.capability", b"\x01\x00\x00\x02" + bytes(16)), (b"user.empty", b"")), "ab" * 32,
        ),
        Entry(b"dir/z", Kind.HARDLINK, size=2**40, link=b"dir/set\nuid", digest="ab" * 32),
        Entry(b"gone", Kind.WHITEOUT),
        Entry(b"link", Kind.SYMLINK, 0o777, link=b"../\xff/..//x"),
    ]  # fmt: skip
    diff = a_diff("a")
    with db.write() as tx:
        layerdb.put_diff(tx, diff)
        cachedb.put_files(tx, diff.diff_id, reversed(entries))
    assert cachedb.files(db.read(), diff.diff_id) == sorted(entries)
    for entry in entries:
        assert cachedb.file(db.read(), diff.diff_id, entry.path) == entry
    assert cachedb.file(db.read(), diff.diff_id, b"dir/none") is None
    assert cachedb.files(db.read(), a_diff("unknown").diff_id) == []
    with pytest.raises(NotFound), db.write() as tx:
        cachedb.put_files(tx, a_diff("unknown").diff_id, entries)


def test_more_layers_than_overlay_takes(db: Database) -> None:
    with db.write() as tx:
        layers = put_chain(tx, *[str(number) for number in range(600)])
        for layer_row in layers:
            entries = [Entry(b"d", Kind.DIR), Entry(b"d/" + layer_row.created_by.encode(), Kind.FILE)]
            cachedb.put_files(tx, layer_row.diff_id, entries)
    top_first = [layer_row.diff_id for layer_row in reversed(layers)]
    found = cachedb.lookup(db.read(), top_first, b"d/RUN 0")
    assert found is not None and found[0] == layers[0].diff_id
    assert len(cachedb.list_dir(db.read(), top_first, b"d")) == 600
    assert cachedb.lookup(db.read(), [], b"d") is None
    assert cachedb.list_dir(db.read(), [], b"") == {}


def test_the_children_of_a_folder_are_a_range_of_the_key(db: Database) -> None:
    plan = "EXPLAIN QUERY PLAN SELECT * FROM files WHERE diff = 1 AND parent = x'61' AND name > x''"
    text = " ".join(str(row) for row in db.read().execute(plan))
    assert "SEARCH files USING PRIMARY KEY (diff=? AND parent=? AND name>?)" in text


def test_the_first_step_stays(db: Database) -> None:
    ingredients = (Ingredient("instruction", 'RUN echo "ä\n"'), Ingredient("parent", "abc"))
    diff = a_diff("a")
    step = Step("key", diff.diff_id, ingredients, "RUN", WHEN, 1.5)
    with db.write() as tx:
        layerdb.put_diff(tx, diff)
        assert cachedb.put_step(tx, step) == step
        assert cachedb.put_step(tx, step._replace(seconds=9.0, created="later")) == step
        cachedb.put_step(tx, Step("other", None, (), "ENV", WHEN, 0.0))
    read = db.read()
    assert cachedb.get_step(read, "key") == step and cachedb.get_step(read, "none") is None
    assert [s.key for s in cachedb.steps(read)] == ["key", "other"]
    assert cachedb.steps_making(read, diff.diff_id) == [step]
    with db.write() as tx:
        cachedb.delete_step(tx, "key")
    assert cachedb.get_step(read, "key") is None


def test_writable_layers(db: Database) -> None:
    with db.write() as tx:
        (layer_row,) = put_chain(tx, "a")
        cachedb.put_writable(tx, Writable("k", layer_row.chain_id, WHEN, "lease"))
        cachedb.put_writable(tx, Writable("k", layer_row.chain_id, WHEN, ""))
        cachedb.put_writable(tx, Writable("l", None, WHEN, ""))
    assert cachedb.get_writable(db.read(), "k") == Writable("k", layer_row.chain_id, WHEN, "")
    assert len(cachedb.writables(db.read())) == 2
    with db.write() as tx:
        cachedb.delete_writable(tx, "k")
    assert cachedb.get_writable(db.read(), "k") is None


def test_what_was_hashed_in_a_context(db: Database) -> None:
    one = Stat(1, 2**63 - 1, 3, -4, 0o100644, 6, 7, "ab" * 32)
    with db.write() as tx:
        cachedb.put_stats(tx, "/a", {b"x": one, b"y/\xff": one._replace(digest="")})
        cachedb.put_stats(tx, "/b", {b"x": one})
        cachedb.put_stats(tx, "/a", {b"x": one._replace(size=2)}, [b"y/\xff", b"none"])
    assert cachedb.stats(db.read(), "/a") == {b"x": one._replace(size=2)}
    assert cachedb.stats(db.read(), "/b") == {b"x": one}
    assert cachedb.stats(db.read(), "/c") == {}


def test_what_leases_hold(db: Database) -> None:
    with db.write(durable=False) as tx:
        leases.hold(tx, "one", leases.DIFF, "a", "b")
        leases.hold(tx, "one", leases.DIFF, "a")
        leases.hold(tx, "two", leases.BLOB, "c")
    assert set(leases.held(db.read())) == {("one", "diff", "a"), ("one", "diff", "b"), ("two", "blob", "c")}
    assert sorted(leases.holders(db.read())) == ["one", "two"]
    with db.write() as tx:
        leases.drop(tx, ["one", "none"])
    assert leases.holders(db.read()) == ["two"]
