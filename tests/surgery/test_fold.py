"""fold: nothing is carried that nobody sees, layers that have nothing to do with it stay."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from lamina.surgery.fold import fold
from lamina.tree.entry import Entry, Kind
from lamina.tree.whiteout import whiteout
from tests.layers.stores import rows
from tests.surgery.stacks import IMAGE, MOMENT, ON_STORES, Stack, parts_of, seen, stacks, write
from tests.tree.strategies import SECOND

if TYPE_CHECKING:
    from lamina.layers.context import Layers


@ON_STORES
@given(stacks(2), st.data())
def test_the_merged_tree_stays_and_nothing_is_carried_in_vain(
    store: Layers, stack: Stack, data: st.DataObject
) -> None:
    low = data.draw(st.integers(1, len(stack)))
    high = data.draw(st.integers(low, len(stack)))
    parts = parts_of(write(store, stack))
    made = fold(store, parts, low, high, IMAGE, MOMENT)
    assert seen(store, made.diff_ids) == seen(store, parts.diff_ids)
    assert made.diff_ids[: low - 1] == parts.diff_ids[: low - 1]
    assert made.diff_ids[len(made.diff_ids) - len(stack) + high :] == parts.diff_ids[high:]
    folded = made.diff_ids[: len(made.diff_ids) - len(stack) + high]
    tree = seen(store, folded)
    for diff_id in folded[low - 1 :]:
        for entry in rows(store, diff_id):
            if entry.kind in (Kind.FILE, Kind.HARDLINK) and entry.size:
                now = tree.get(entry.path)
                assert now is not None
                assert (now.digest, now.mode, now.mtime) == (entry.digest, entry.mode, entry.mtime)
    assert fold(store, made, low, low + len(folded) - low, IMAGE, MOMENT) == made, "once is enough"


EMPTY = Entry(b"d/empty", Kind.FILE, 0o644, digest=hashlib.sha256().hexdigest())


def folder(path: bytes, mtime: int = 0, **more: object) -> Entry:
    """A folder."""
    return Entry(path, Kind.DIR, mtime=mtime * SECOND)._replace(**more)  # type: ignore[arg-type]


def file(path: bytes, **more: object) -> Entry:
    """A file with one byte."""
    return Entry(path, Kind.FILE, 0o644, size=1, digest=hashlib.sha256(b"x").hexdigest())._replace(**more)  # type: ignore[arg-type]


def folded(store: Layers, *stack: list[Entry], low: int = 1) -> list[list[Entry]]:
    """The rows of the layers after a fold, which changes nothing that is seen."""
    parts = parts_of(write(store, stack))
    made = fold(store, parts, low, len(stack), IMAGE, MOMENT)
    assert seen(store, made.diff_ids) == seen(store, parts.diff_ids)
    return [rows(store, diff_id) for diff_id in made.diff_ids]


def test_a_chown_of_all_is_no_layer_of_its_own(store: Layers) -> None:
    own = {"uid": 5, "gid": 6}
    names = [Entry(b"d/z", Kind.HARDLINK, 0o644, link=b"d/f", size=1, digest=file(b"").digest)]
    before = [
        folder(b"d"),
        folder(b"d/e"),
        file(b"d/f"),
        Entry(b"d/l", Kind.SYMLINK, 0o777, link=b"f"),
        *names,
    ]
    after = [entry._replace(mtime=9 * SECOND, **own) for entry in before]
    assert folded(store, before, after) == [after]


def test_a_folder_keeps_what_was_said_of_it_last(store: Layers) -> None:
    first = [folder(b"d", 1), file(b"d/gone"), file(b"d/stays")]
    second = [folder(b"d", 2), file(b"d/other")]  # which has no part in it, and stays as it is
    third = [folder(b"d", 3, mode=0o700), whiteout(b"d/gone")]
    assert folded(store, first, second, third) == [
        [folder(b"d", 3, mode=0o700), file(b"d/stays")],
        second,
        [folder(b"d", 3, mode=0o700)],
    ]


def test_what_a_deleted_folder_hid_stays_hidden(store: Layers) -> None:
    base = [file(b"b"), folder(b"d"), file(b"d/hidden")]
    deletes = [whiteout(b"d"), file(b"b", mode=0o600), file(b"new")]
    again = [folder(b"d", 2), file(b"d/seen")]
    rewrites = [file(b"new", mode=0o600)]
    assert folded(store, base, deletes, again, rewrites, low=2) == [
        base,
        [file(b"b", mode=0o600), folder(b"d", 2, opaque=True), file(b"new", mode=0o600)],
        again,
    ]


def test_names_of_a_file_stay_together(store: Layers) -> None:
    first = [file(b"a"), file(b"k")]
    linked = file(b"a", mode=0o600)
    second = [linked, linked._replace(path=b"b", kind=Kind.HARDLINK, link=b"a"), file(b"k", uid=3)]
    assert folded(store, first, second) == [[file(b"k", uid=3)], second[:2]]


def test_layers_without_bytes_to_save_stay(store: Layers) -> None:
    first = [folder(b"d", 1), Entry(b"d/l", Kind.SYMLINK, 0o777, link=b"f"), EMPTY]
    second = [folder(b"d", 2), whiteout(b"d/l"), EMPTY._replace(mode=0o600)]
    parts = parts_of(write(store, [first, second]))
    assert fold(store, parts, 1, 2, IMAGE, MOMENT) is parts
    none = parts_of([])
    assert fold(store, none, 1, 0, IMAGE, MOMENT) is none
