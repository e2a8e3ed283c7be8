"""rewrite: layers of entries from other layers; hard links that lose their file, folders, exact times."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import pytest

from lamina.errors import Corrupt, InvalidInput
from lamina.layers.apply import apply_layer
from lamina.layers.rewrite import NewLayer, Piece, rewrite
from lamina.layers.write import LayerItem, write_layer
from lamina.tree.entry import Entry, Kind
from tests.layers.stores import file as member_file
from tests.layers.stores import member, named, on_disk, packed_bytes, paths, rows, state, tar_of

if TYPE_CHECKING:
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID

SECOND = 1_000_000_000


def file(path: bytes, data: bytes = b"data", **more: object) -> LayerItem:
    """A file with its content."""
    return LayerItem(Entry(path, Kind.FILE, 0o644, size=len(data))._replace(**more), data)  # type: ignore[arg-type]


def link(path: bytes, to: bytes) -> LayerItem:
    """Another name of a file."""
    return LayerItem(Entry(path, Kind.HARDLINK, link=to))


def pieces(ctx: Layers, diff_id: DiffID, *only: bytes) -> list[Piece]:
    """The entries of a layer, or some of them, with that layer as their source."""
    return [Piece(each, diff_id) for each in rows(ctx, diff_id) if not only or each.path in only]


def test_a_whole_layer_becomes_itself(store: Layers) -> None:
    items = [
        file(b"etc/hosts", b"127.0.0.1", mtime=5 * SECOND, xattrs=((b"user.a", b"\0b"),)),
        file(b"big", os.urandom(3 << 20), uid=7),
        LayerItem(Entry(b"etc", Kind.DIR, 0o700, mtime=9 * SECOND, opaque=True)),
        LayerItem(Entry(b"link", Kind.SYMLINK, 0o777, link=b"../x")),
        LayerItem(Entry(b"pipe", Kind.FIFO, 0o600)),
        LayerItem(Entry(b"gone", Kind.WHITEOUT)),
        link(b"other", b"etc/hosts"),
    ]
    old = write_layer(store, items)
    made = rewrite(store, reversed(pieces(store, old.diff_id)))
    assert made == old
    with NewLayer(store, room=600) as layer:  # more than there is room for
        for piece in pieces(store, old.diff_id):
            layer.put(piece)
        layer.complete()
        assert layer.commit() == old


def test_entries_of_several_layers(store: Layers) -> None:
    a = write_layer(store, [file(b"a", b"one"), file(b"d/x", b"two")]).diff_id
    b = write_layer(store, [file(b"b", b"three")]).diff_id
    given = file(b"c", b"four")
    chosen = [*pieces(store, a, b"d/x"), *pieces(store, b), Piece(*given), Piece(Entry(b"e", Kind.DIR))]
    made = rewrite(store, chosen, folder={b"d": Entry(b"d", Kind.DIR, 0o711, 5)}.get)
    assert made is not None
    whole = [file(b"b", b"three"), given, LayerItem(Entry(b"d", Kind.DIR, 0o711, 5)), file(b"d/x", b"two")]
    assert made == write_layer(store, [*whole, LayerItem(Entry(b"e", Kind.DIR))])
    assert named(packed_bytes(store, made.diff_id)) == made.diff_id


def test_names_of_a_file_stay_names_of_one_file(store: Layers) -> None:
    old = write_layer(store, [file(b"a"), link(b"b", b"a"), link(b"c", b"a"), file(b"z")]).diff_id
    made = rewrite(store, pieces(store, old, b"b", b"c", b"z"))
    assert made is not None
    assert made == write_layer(store, [file(b"b"), link(b"c", b"b"), file(b"z")])
    folder = os.fsencode(store.layout.diff_dir(made.diff_id))
    assert os.stat(folder + b"/b").st_ino == os.stat(folder + b"/c").st_ino


def test_the_file_may_come_after_its_names(store: Layers) -> None:
    foreign = tar_of(member_file("m"), member("a", "h", link="m"), member("z", "h", link="m"))
    old = apply_layer(store, io.BytesIO(foreign)).diff_id
    changed = [
        piece._replace(entry=piece.entry._replace(mode=0o600)) if piece.entry.path == b"m" else piece
        for piece in pieces(store, old)
    ]
    made = rewrite(store, changed)
    assert made is not None
    found = {entry.path: entry for entry in rows(store, made.diff_id)}
    assert [found[path].kind for path in (b"a", b"m", b"z")] == [Kind.FILE, Kind.HARDLINK, Kind.HARDLINK]
    assert {entry.mode for entry in found.values()} == {0o600}, "a file has one mode: that of its FILE"
    assert {found[path].link for path in (b"m", b"z")} == {b"a"}


def test_files_of_the_same_name_in_two_layers_are_two_files(store: Layers) -> None:
    a = write_layer(store, [file(b"f", b"old"), link(b"g", b"f")]).diff_id
    b = write_layer(store, [file(b"f", b"newer"), link(b"h", b"f")]).diff_id
    made = rewrite(store, [*pieces(store, a), *pieces(store, b)])
    assert made == write_layer(store, [file(b"f", b"newer"), link(b"h", b"f"), file(b"g", b"old")])


def test_given_files_may_have_names(store: Layers) -> None:
    made = rewrite(store, [Piece(*link(b"a", b"b")), Piece(*file(b"b", b"x")), Piece(*link(b"c", b"b"))])
    assert made == write_layer(store, [file(b"a", b"x"), link(b"b", b"a"), link(b"c", b"a")])
    with pytest.raises(InvalidInput, match="which this layer lacks"):
        rewrite(store, [Piece(*link(b"a", b"b"))])


def test_what_says_nothing_is_left_out(store: Layers) -> None:
    opaque = Piece(Entry(b"d", Kind.DIR, opaque=True))
    made = rewrite(store, [opaque, Piece(Entry(b"d/e/x", Kind.WHITEOUT)), Piece(Entry(b"y", Kind.WHITEOUT))])
    assert made is not None
    assert paths(rows(store, made.diff_id)) == [b"d", b"d/e", b"y"] == on_disk(store, made.diff_id)
    before = state(store)
    assert rewrite(store, []) is None
    assert state(store) == before


def test_times_are_exact(store: Layers) -> None:
    info = member("f")
    info.pax_headers = {"mtime": "12.25"}
    old = apply_layer(store, io.BytesIO(tar_of(info))).diff_id
    made = rewrite(store, pieces(store, old))
    assert made is not None
    assert [entry.mtime for entry in rows(store, made.diff_id)] == [12 * SECOND + SECOND // 4]
    assert named(packed_bytes(store, made.diff_id)) == made.diff_id
    assert apply_layer(store, io.BytesIO(packed_bytes(store, made.diff_id))).diff_id == made.diff_id


def test_a_damaged_layer_is_told_and_nothing_is_left(store: Layers) -> None:
    old = write_layer(store, [file(b"f", b"right"), file(b"g", b"right")]).diff_id
    name = os.path.join(store.layout.diff_dir(old), "g")
    for damage in (b"wrong", b"longer than it was", b""):
        with open(name, "wb") as stream:
            stream.write(damage)
        before = state(store)
        with pytest.raises(Corrupt, match=r"layer sha256:.* is damaged"):
            rewrite(store, [*pieces(store, old), Piece(*file(b"h"))])
        assert state(store) == before


def test_a_file_is_no_folder(store: Layers) -> None:
    with pytest.raises(InvalidInput, match="a is a folder and something else"):
        rewrite(store, [Piece(*file(b"a")), Piece(*file(b"a/b"))])
