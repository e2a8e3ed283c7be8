"""fold: nothing is carried that nobody sees, layers that have nothing to do with it stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from lamina.surgery.fold import fold
from lamina.tree.entry import Kind
from tests.layers.stores import rows
from tests.surgery.stacks import IMAGE, MOMENT, ON_STORES, Stack, parts_of, seen, stacks, write

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
