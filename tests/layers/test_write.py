"""write_layer, pack and Lookup: what goes in comes out, once, in one form."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.db import layerdb
from lamina.errors import Corrupt, InvalidInput
from lamina.layers.absent import Elsewhere
from lamina.layers.apply import apply_layer
from lamina.layers.commit import commit_empty
from lamina.layers.lookup import EMPTY_DIFF, Lookup
from lamina.layers.pack import open_packed
from lamina.layers.write import LayerItem, write_layer
from lamina.tree.content import content_id
from lamina.tree.entry import Entry, Kind
from tests.layers.stores import content, named, on_disk, packed_bytes, paths, rows, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.layers.context import Layers

SECOND = 1_000_000_000


def file(path: bytes, data: bytes = b"data", **more: object) -> LayerItem:
    """A file with its content."""
    return LayerItem(Entry(path, Kind.FILE, 0o644, size=len(data))._replace(**more), data)  # type: ignore[arg-type]


ITEMS = [
    file(b"etc/hosts", b"127.0.0.1", mtime=5 * SECOND + 7),
    file(b"etc/empty", b""),
    file(b"usr/bin/su", b"x" * 100, mode=0o4755, uid=0, gid=42),
    file(b"owned", b"o", uid=33, gid=33),
    file(b"big", os.urandom(3 << 20)),
    file("naïve \n name\udcff".encode("utf-8", "surrogateescape"), b"odd"),
    LayerItem(Entry(b"link", Kind.SYMLINK, 0o755, link=b"../../outside")),
    LayerItem(Entry(b"a-first-name", Kind.HARDLINK, link=b"etc/hosts")),
    LayerItem(Entry(b"pipe", Kind.FIFO, 0o600)),
    LayerItem(Entry(b"gone/file", Kind.WHITEOUT)),
    LayerItem(Entry(b"shut", Kind.DIR, 0o700, mtime=9 * SECOND)),
    file(b"capable", b"c", xattrs=((b"user.note", b"\0value"),)),
    file(b"n" * 255, b"long name"),
]


def test_the_disk_the_rows_and_the_tar_agree(store: Layers) -> None:
    diff = write_layer(store, ITEMS)
    found = rows(store, diff.diff_id)
    assert paths(found) == sorted(paths(found)) == on_disk(store, diff.diff_id)
    assert {b"etc", b"usr", b"usr/bin", b"gone"} <= set(paths(found))
    by_path = {entry.path: entry for entry in found}
    assert by_path[b"etc/hosts"].mtime == 5 * SECOND
    assert by_path[b"etc/hosts"].kind is Kind.HARDLINK
    assert by_path[b"etc/hosts"].link == b"a-first-name"
    assert by_path[b"etc/hosts"].digest == by_path[b"a-first-name"].digest != ""
    assert by_path[b"etc"] == Entry(b"etc", Kind.DIR, 0o755)
    data = packed_bytes(store, diff.diff_id)
    assert named(data) == diff.diff_id
    assert len(data) == diff.tar_size
    assert diff.content_id == content_id(found)
    assert diff.size == sum(entry.size for entry in found if entry.kind is Kind.FILE)
    with open_packed(store, diff.diff_id) as stream:
        assert stream.read() == data


def test_the_order_of_items_does_not_matter(make_store: Callable[[], Layers]) -> None:
    first, second = make_store(), make_store()
    assert write_layer(first, ITEMS) == write_layer(second, reversed(ITEMS))


def test_a_layer_is_the_same_wherever_it_is_unpacked(make_store: Callable[[], Layers]) -> None:
    first, second = make_store(), make_store()
    diff = write_layer(first, ITEMS)
    again = apply_layer(second, io.BytesIO(packed_bytes(first, diff.diff_id)), diff_id=diff.diff_id)
    assert again == diff
    assert rows(second, diff.diff_id) == rows(first, diff.diff_id)
    assert on_disk(second, diff.diff_id) == on_disk(first, diff.diff_id)
    assert list(second.blobs.walk()) == []  # our own tar needs no keeping


def test_equal_layers_are_stored_once(store: Layers) -> None:
    diff = write_layer(store, ITEMS)
    before = state(store)
    assert write_layer(store, ITEMS) == diff
    assert state(store) == before


def test_no_items_make_the_empty_layer(store: Layers) -> None:
    diff = write_layer(store, [])
    assert diff.diff_id == EMPTY_DIFF
    assert named(bytes(1024)) == EMPTY_DIFF == named(packed_bytes(store, diff.diff_id))
    assert commit_empty(store) == diff
    assert os.stat(store.layout.diff_dir(diff.diff_id)).st_mode & 0o777 == 0o755


def test_the_last_item_for_a_path_counts(store: Layers) -> None:
    diff = write_layer(store, [file(b"f", b"first"), file(b"f", b"second")])
    assert content(Lookup(store, [diff.diff_id]), b"f") == b"second"


def test_folders_on_the_way_are_the_parents(store: Layers) -> None:
    base = write_layer(
        store,
        [
            LayerItem(Entry(b"", Kind.DIR, 0o555)),
            LayerItem(Entry(b"srv/app", Kind.DIR, 0o2770, 7, 8, mtime=SECOND)),
        ],
    )
    parent = Lookup(store, [base.diff_id])
    diff = write_layer(store, [file(b"srv/app/main")], parent=parent)
    found = {entry.path: entry for entry in rows(store, diff.diff_id)}
    assert found[b"srv/app"] == Entry(b"srv/app", Kind.DIR, 0o2770, 7, 8, mtime=SECOND)
    assert found[b""].mode == 0o555
    assert os.stat(store.layout.diff_dir(diff.diff_id) + "/srv/app").st_mode & 0o7777 == 0o2770


@pytest.mark.parametrize(
    "item",
    [
        LayerItem(Entry(b"f", Kind.FILE, size=3), b"four"),
        LayerItem(Entry(b"f", Kind.FILE, size=5), b"four"),
        LayerItem(Entry(b"f", Kind.FILE, size=4, digest="0" * 64), b"four"),
        LayerItem(Entry(b"f", Kind.FILE, size=3), lambda: io.BytesIO(b"four")),
        LayerItem(Entry(b"f", Kind.FILE, size=2 << 20), lambda: io.BytesIO(bytes(3 << 20))),
        LayerItem(Entry(b"f", Kind.FILE, size=3 << 20), lambda: io.BytesIO(bytes(2 << 20))),
        LayerItem(Entry(b"f", Kind.HARDLINK, link=b"nothing")),
        LayerItem(Entry(b"../f", Kind.FILE)),
        LayerItem(Entry(b"a//f", Kind.FILE)),
    ],
)
def test_what_cannot_be_right_leaves_nothing(store: Layers, item: LayerItem) -> None:
    before = state(store)
    with pytest.raises(InvalidInput):
        write_layer(store, [file(b"before"), item])
    assert state(store) == before


def test_a_file_below_a_file_is_refused(store: Layers) -> None:
    before = state(store)
    with pytest.raises(InvalidInput):
        write_layer(store, [file(b"f"), file(b"f/inner")])
    assert state(store) == before


def test_pack_notices_what_happened_to_the_disk(store: Layers) -> None:
    diff = write_layer(store, [file(b"f", b"good")])
    path = store.layout.diff_dir(diff.diff_id) + "/f"
    for data in (b"evil", b"too long", b""):
        with open(path, "wb") as out:
            out.write(data)
        with pytest.raises(Corrupt):
            packed_bytes(store, diff.diff_id)
    os.unlink(path)
    with pytest.raises(Corrupt):
        packed_bytes(store, diff.diff_id)
    os.symlink("/etc/passwd", path)
    with pytest.raises(Corrupt):
        packed_bytes(store, diff.diff_id)
    os.rename(store.layout.diff_dir(diff.diff_id), store.layout.diff + "/elsewhere")
    with pytest.raises(Elsewhere):
        packed_bytes(store, diff.diff_id)


def test_what_belongs_with_a_layer_appears_with_it(store: Layers) -> None:
    def fail(c: object, diff: layerdb.Diff) -> None:
        assert layerdb.get_diff(c, diff.diff_id) == diff  # type: ignore[arg-type]
        raise InvalidInput("no")

    with pytest.raises(InvalidInput):
        write_layer(store, [file(b"f")], also=fail)
    assert store.db.read().execute("SELECT count(*) FROM diffs").fetchone() == (0,)
    diff = write_layer(store, [file(b"f")])  # the folder that was left is adopted
    assert named(packed_bytes(store, diff.diff_id)) == diff.diff_id


NAMES = st.sampled_from([b"a", b"b", b"a.b", b"c\xff", b"d e"])
ENTRIES = st.lists(
    st.tuples(
        st.lists(NAMES, min_size=1, max_size=3),
        st.sampled_from([Kind.FILE, Kind.DIR, Kind.SYMLINK, Kind.WHITEOUT]),
        st.binary(max_size=700),
        st.integers(0, 0o7777),
        st.integers(-(10**11), 10**13),
    ),
    max_size=8,
)


def test_any_layer_survives_the_journey(make_store: Callable[[], Layers]) -> None:
    first, second = make_store(), make_store()

    @settings(max_examples=60, deadline=None)
    @given(ENTRIES)
    def journey(drawn: list[tuple[list[bytes], Kind, bytes, int, int]]) -> None:
        diff = write_layer(first, _possible(drawn))
        again = apply_layer(second, io.BytesIO(packed_bytes(first, diff.diff_id)))
        assert again.diff_id == diff.diff_id
        assert rows(second, diff.diff_id) == rows(first, diff.diff_id)

    journey()


def _possible(drawn: list[tuple[list[bytes], Kind, bytes, int, int]]) -> list[LayerItem]:
    """Those that one tree can have: nothing lies below what is no folder."""
    items: dict[bytes, LayerItem] = {}
    for names, kind, data, mode, mtime in drawn:
        path = b"/".join(names)
        above = {path[:i] for i in range(len(path)) if path[i : i + 1] == b"/"}
        if any(items[each].entry.kind is not Kind.DIR for each in above & set(items)):
            continue
        if kind is not Kind.DIR and any(each.startswith(path + b"/") for each in items):
            continue
        entry = Entry(path, kind, mode, mtime=mtime)
        if kind is Kind.FILE:
            items[path] = LayerItem(entry._replace(size=len(data)), data)
        else:
            items[path] = LayerItem(entry._replace(link=b"target" if kind is Kind.SYMLINK else b""))
    return list(items.values())


def test_lookup_sees_layers_as_overlay_does(store: Layers) -> None:
    low = write_layer(
        store, [file(b"etc/a", b"low a"), file(b"etc/b", b"low b"), file(b"old/deep/f"), file(b"x", b"x")]
    )
    high = write_layer(
        store,
        [
            file(b"etc/a", b"high a"),
            LayerItem(Entry(b"etc/b", Kind.WHITEOUT)),
            LayerItem(Entry(b"old", Kind.WHITEOUT)),
            LayerItem(Entry(b"lib", Kind.SYMLINK, link=b"/etc")),
        ],
    )
    empty = commit_empty(store)
    look = Lookup(store, [empty.diff_id, high.diff_id, low.diff_id])
    assert content(look, b"etc/a") == b"high a"
    assert look.get(b"etc/b") is None
    assert look.get(b"old/deep/f") is None
    assert look.children(b"old") == ()
    assert paths(look.children(b"")) == [b"etc", b"lib", b"x"]
    assert look.names(b"etc") == (b"a",)
    assert look.resolve(b"lib/a") == b"etc/a"
    assert look.resolve(b"lib", False) == b"lib"
    assert paths(look.walk()) == [b"", b"etc", b"etc/a", b"lib", b"x"]
    assert [entry.path for entry in look.tree() if entry.path] == [b"etc", b"etc/a", b"lib", b"x"]
    assert Lookup(store, []).get(b"") == Entry(b"", Kind.DIR)
    with pytest.raises(Exception, match="no such file"):
        look.open(b"lib")
