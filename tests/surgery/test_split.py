"""split: several layers in place of one, and a container sees no difference."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import InvalidInput
from lamina.layers.write import LayerItem, write_layer
from lamina.surgery.changerate import ByChangeRate
from lamina.surgery.split import ByPackage, BySize, split
from lamina.tree.entry import Entry, Kind
from tests.layers.stores import rows
from tests.surgery.stacks import IMAGE, MOMENT, ON_STORES, Stack, files_of, parts_of, seen, stacks, write

if TYPE_CHECKING:
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID
    from lamina.surgery.parts import Parts


class AtRandom:
    """Any path in any part."""

    def __init__(self, data: st.DataObject) -> None:
        self.labels = ["one", "two", "three"][: data.draw(st.integers(1, 3))]
        self._data = data
        self._parts: dict[bytes, int] = {}

    def part(self, path: bytes) -> int:
        if path not in self._parts:
            self._parts[path] = self._data.draw(st.integers(0, len(self.labels) - 1))
        return self._parts[path]


@ON_STORES
@given(stacks(1), st.data())
def test_the_merged_tree_stays(store: Layers, stack: Stack, data: st.DataObject) -> None:
    low = data.draw(st.integers(1, len(stack)))
    high = data.draw(st.integers(low, len(stack)))
    parts = parts_of(write(store, stack))
    policy = AtRandom(data)
    made = split(store, parts, low, high, policy, IMAGE, MOMENT, "chance")
    assert seen(store, made.diff_ids) == seen(store, parts.diff_ids)
    assert made.diff_ids[: low - 1] == parts.diff_ids[: low - 1]
    assert len(made.diff_ids) <= len(stack) - (high - low + 1) + len(policy.labels)


def layer(ctx: Layers, *files: tuple[str, int]) -> DiffID:
    """A layer of files with so many bytes each."""
    items = [
        LayerItem(Entry(name.encode(), Kind.FILE, 0o644, size=size), name.encode()[:1] * size)
        for name, size in files
    ]
    return write_layer(ctx, items).diff_id


def parts_made(ctx: Layers, made: Parts) -> list[list[str]]:
    """The files of each layer."""
    return [files_of(ctx, diff_id) for diff_id in made.diff_ids]


def test_by_size(store: Layers) -> None:
    files = [("a/1", 40), ("a/2", 50), ("b/1", 30), ("b/big", 500), ("b/z", 80), ("c", 5)]
    parts = parts_of([layer(store, ("base", 9)), layer(store, *files)])
    policy = BySize(store.db.read(), parts.diff_ids, 2, 2, 100)
    made = split(store, parts, 2, 2, policy, IMAGE, MOMENT, "size=100")
    assert parts_made(store, made) == [["base"], ["a/1", "a/2", "c"], ["b/1"], ["b/z"], ["b/big"]]
    assert seen(store, made.diff_ids) == seen(store, parts.diff_ids)
    texts = [(line.history.created_by, line.history.comment) for line in made.lines]
    assert texts[1] == ("step 2", "")
    assert texts[2] == ("lamina split 2 --by size=100", f"part 1 of 4, of layer 2 of {IMAGE}")
    assert made.lines[1].diff_id is None
    with pytest.raises(InvalidInput, match="more than 100 layers"):
        BySize(store.db.read(), [layer(store, *[(f"{n:03}", 2) for n in range(102)])], 1, 1, 1)


def test_what_is_one_part_stays(store: Layers) -> None:
    parts = parts_of([layer(store, ("a", 40), ("b", 50))])
    policy = BySize(store.db.read(), parts.diff_ids, 1, 1, 100)
    assert split(store, parts, 1, 1, policy, IMAGE, MOMENT, "size") is parts


def test_by_package(store: Layers) -> None:
    files = [("usr/a", 40), ("usr/b", 50), ("usr/c", 30), ("usr/d", 10), ("mine", 5)]
    parts = parts_of([layer(store, *files)])
    owners = {b"usr/a": "apt", b"usr/b": "bash", b"usr/c": "curl", b"usr/d": "dash"}
    policy = ByPackage(store.db.read(), parts.diff_ids, 1, 1, owners, 4)
    made = split(store, parts, 1, 1, policy, IMAGE, MOMENT, "package=4")
    assert policy.labels == ["2 packages", "package apt", "package bash", "files of no package"]
    assert parts_made(store, made) == [["usr/c", "usr/d"], ["usr/a"], ["usr/b"], ["mine"]]
    whole = ByPackage(store.db.read(), parts.diff_ids, 1, 1, owners, 5)
    assert whole.labels == [
        *[f"package {name}" for name in ("apt", "bash", "curl", "dash")],
        policy.labels[3],
    ]


def test_by_change_rate(store: Layers) -> None:
    now = layer(store, ("same", 5), ("often", 6), ("always", 7), ("new", 1))
    one = layer(store, ("same", 5), ("often", 6), ("always", 8))
    two = layer(store, ("same", 5), ("often", 5), ("always", 9), ("gone", 3))
    with ByChangeRate(store, now, [one, two]) as policy:
        made = split(store, parts_of([now]), 1, 1, policy, IMAGE, MOMENT, "change-rate")
    assert parts_made(store, made) == [["same"], ["often"], ["always", "new"]]
    comments = [line.history.comment.partition(",")[0] for line in made.lines[1:]]
    assert comments == [
        f"{what} of 2 other layers like it" if "changed" in what else f"{what} 2 other layers like it"
        for what in ("the same in", "changed in some", "changed in each")
    ]


def test_names_of_a_file_stay_together(store: Layers) -> None:
    items = [
        LayerItem(Entry(b"a/1", Kind.FILE, 0o644, size=60), b"x" * 60),
        LayerItem(Entry(b"a/2", Kind.FILE, 0o644, size=60), b"y" * 60),
        LayerItem(Entry(b"z/1", Kind.HARDLINK, link=b"a/1")),
    ]
    parts = parts_of([write_layer(store, items).diff_id])
    policy = BySize(store.db.read(), parts.diff_ids, 1, 1, 100)
    made = split(store, parts, 1, 1, policy, IMAGE, MOMENT, "size=100")
    assert parts_made(store, made) == [["a/1", "z/1"], ["a/2"]]
    folder = store.layout.diff_dir(made.diff_ids[0])
    assert os.stat(f"{folder}/a/1").st_ino == os.stat(f"{folder}/z/1").st_ino
    assert [entry.kind for entry in rows(store, made.diff_ids[0]) if entry.path == b"z/1"] == [Kind.HARDLINK]


def test_a_folder_that_was_replaced_hides_the_old_one_from_all_parts(store: Layers) -> None:
    base = layer(store, ("d/old", 1))
    items = [
        LayerItem(Entry(b"d", Kind.DIR, opaque=True)),
        LayerItem(Entry(b"d/a", Kind.FILE, 0o644, size=9), b"a" * 9),
        LayerItem(Entry(b"d/b", Kind.FILE, 0o644, size=9), b"b" * 9),
    ]
    parts = parts_of([base, write_layer(store, items).diff_id])
    policy = BySize(store.db.read(), parts.diff_ids, 2, 2, 9)
    made = split(store, parts, 2, 2, policy, IMAGE, MOMENT, "size=9")
    assert parts_made(store, made) == [["d/old"], ["d/a"], ["d/b"]]
    assert seen(store, made.diff_ids) == seen(store, parts.diff_ids)
    assert [rows(store, diff_id)[0].opaque for diff_id in made.diff_ids] == [False, True, False]
