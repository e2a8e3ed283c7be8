"""drop, reorder, cherry-pick: what is seen afterwards, and what is refused, on random stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.errors import InvalidInput
from lamina.surgery.reorder import Bound, cherry_pick, drop, reorder
from lamina.tree.entry import Entry, Kind
from tests.surgery.stacks import Stack, parts_of, seen, stacks, write

if TYPE_CHECKING:
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID
    from lamina.tree.tree import Tree

ON_STORES = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def look(tree: Tree) -> list[Entry]:
    """A tree but for the times of folders, and for what is linked to what."""
    plain: dict[Kind, dict[str, object]] = {
        Kind.DIR: {"mtime": 0}, Kind.HARDLINK: {"kind": Kind.FILE, "link": b""},
    }  # fmt: skip
    return [entry._replace(**plain.get(entry.kind, {})) for entry in tree]  # type: ignore[arg-type]


def apart(*names: str) -> Stack:
    """Layers that touch nothing in common, but the folder d."""
    return tuple(
        (Entry(b"d", Kind.DIR, mtime=number), Entry(b"d/" + name.encode(), Kind.DIR))
        for number, name in enumerate(names)
    )


@ON_STORES
@given(stacks(2, 4), st.data())
def test_another_order_looks_the_same(store: Layers, stack: Stack, data: st.DataObject) -> None:
    parts = parts_of(write(store, stack))
    numbers = data.draw(st.permutations(range(1, len(stack) + 1)))[: data.draw(st.integers(2, 4))]
    try:
        made = reorder(store, parts, numbers)
    except Bound as bound:
        assert bound.paths and 0 < bound.lower < bound.upper <= len(stack)
        assert bound.paths[0] in bound.message
        return
    assert look(seen(store, made.diff_ids)) == look(seen(store, parts.diff_ids))
    taken = [parts.diff_ids[number - 1] for number in numbers]
    assert [made.diff_ids[place - 1] for place in sorted(numbers)] == taken
    for line in made.lines:
        assert line in parts.lines, "each layer keeps its own line of history"


@ON_STORES
@given(stacks(2, 4), st.data())
def test_what_was_left_out_can_be_put_back(store: Layers, stack: Stack, data: st.DataObject) -> None:
    parts = parts_of(write(store, stack))
    number = data.draw(st.integers(1, len(stack)))
    rest = [each for at, each in enumerate(parts.diff_ids, 1) if at != number]
    assert list(drop(store, parts, [number], force=True).parts.diff_ids) == rest
    try:
        made = drop(store, parts, [number]).parts
    except Bound as bound:
        assert bound.lower == number and bound.paths
        return
    again = cherry_pick(store, parts, [number], made).parts
    assert look(seen(store, again.diff_ids)) == look(seen(store, parts.diff_ids))


def test_history_goes_with_the_layers(store: Layers) -> None:
    parts = parts_of(write(store, apart("a", "b", "c", "d")))

    def steps(diff_ids: tuple[DiffID, ...]) -> list[int]:
        return [parts.diff_ids.index(each) + 1 for each in diff_ids]

    for numbers, order in (([4, 2], [1, 4, 3, 2]), ([3, 1, 2], [3, 1, 2, 4]), ([1, 2], [1, 2, 3, 4])):
        made = reorder(store, parts, numbers)
        assert steps(made.diff_ids) == order
        assert [line.history.created_by for line in made.lines] == [f"step {number}" for number in order]
    made = drop(store, parts, {2, 3}).parts
    assert [line.history.created_by for line in made.lines] == ["step 1", "step 4"]


def test_what_is_refused(store: Layers) -> None:
    file = Entry(b"d/a", Kind.FILE, 0o600, digest="")
    one, two = apart("x", "y")
    stack = (one, two, (two[0], file._replace(kind=Kind.DIR)), (two[0], Entry(b"d/a", Kind.WHITEOUT, 0)))
    parts = parts_of(write(store, stack))
    with pytest.raises(Bound, match="layer 4 rests on layer 3: both touch /d/a") as caught:
        drop(store, parts, [3])
    assert (caught.value.lower, caught.value.upper, caught.value.paths) == (3, 4, ("/d/a",))
    assert caught.value.hint == "--force leaves it out all the same"
    assert len(drop(store, parts, [3, 4]).parts.diff_ids) == 2, "what rests on it goes too"
    with pytest.raises(Bound, match="layer 4 rests on layer 3"):
        reorder(store, parts, [4, 1])
    with pytest.raises(InvalidInput, match="no layer would be left"):
        drop(store, parts, [1, 2, 3, 4])
    for wrong in (lambda: reorder(store, parts, [1, 1]), lambda: cherry_pick(store, parts, [2, 2], parts)):
        with pytest.raises(InvalidInput, match="named twice"):
            wrong()
