"""squash: one layer in place of several, and a container sees no difference."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from lamina.surgery.squash import squash
from lamina.tree.entry import Entry, Kind
from lamina.tree.whiteout import whiteout
from tests.layers.stores import rows
from tests.surgery.stacks import IMAGE, MOMENT, ON_STORES, Stack, parts_of, seen, stacks, write

if TYPE_CHECKING:
    from lamina.layers.context import Layers


@ON_STORES
@given(stacks(2), st.data())
def test_the_merged_tree_stays(store: Layers, stack: Stack, data: st.DataObject) -> None:
    low = data.draw(st.integers(1, len(stack)))
    high = data.draw(st.integers(low, len(stack)))
    parts = parts_of(write(store, stack))
    made = squash(store, parts, low, high, IMAGE, MOMENT)
    assert seen(store, made.diff_ids) == seen(store, parts.diff_ids)
    assert len(made.diff_ids) in (len(stack) - (high - low), len(stack) - (high - low) - 1)
    assert made.diff_ids[: low - 1] == parts.diff_ids[: low - 1], "the layers below stay"
    count = len(made.diff_ids) - (len(stack) - high)  # of layers up to the new one
    assert seen(store, made.diff_ids[:count]) == seen(store, parts.diff_ids[:high])
    if low == 1 and made.diff_ids and low < high:
        entries = rows(store, made.diff_ids[0])
        assert not [entry for entry in entries if entry.opaque or entry.kind is Kind.WHITEOUT]


def test_what_is_deleted_twice_and_what_is_replaced(store: Layers) -> None:
    digest = hashlib.sha256(b"x").hexdigest()
    file = Entry(b"d/x", Kind.FILE, 0o644, size=1, digest=digest)
    base = [Entry(b"d", Kind.DIR), file, Entry(b"e", Kind.DIR), file._replace(path=b"e/x")]
    first = [Entry(b"d", Kind.DIR), whiteout(b"d/x"), whiteout(b"e"), file._replace(path=b"f")]
    second = [whiteout(b"d"), Entry(b"e", Kind.DIR), file._replace(path=b"e/y"), whiteout(b"f")]
    parts = parts_of(write(store, [base, first, second]))
    made = squash(store, parts, 2, 3, IMAGE, MOMENT)
    assert seen(store, made.diff_ids) == seen(store, parts.diff_ids)
    assert rows(store, made.diff_ids[1]) == [
        whiteout(b"d"),
        Entry(b"e", Kind.DIR, opaque=True),
        file._replace(path=b"e/y"),
    ]
    assert made.diff_ids[0] == parts.diff_ids[0]
    assert len(squash(store, parts, 1, 3, IMAGE, MOMENT).diff_ids) == 1


def test_layers_that_come_to_nothing(store: Layers) -> None:
    file = Entry(b"x", Kind.FILE, 0o644, digest=hashlib.sha256().hexdigest())
    parts = parts_of(write(store, [[file], [whiteout(b"x")]]))
    made = squash(store, parts, 1, 2, IMAGE, MOMENT)
    assert made.diff_ids == () and [line.diff_id for line in made.lines] == [None] * 3
