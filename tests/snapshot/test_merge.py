"""What shows of a stack: merge() by rule, and both snapshotters for real, agree on any layers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from lamina.fs import walk
from lamina.snapshot.merge import merge
from lamina.snapshot.native import Native
from lamina.snapshot.overlay import Overlay
from lamina.store.files import remove_tree
from lamina.testing import isolate
from lamina.testing.snapshotters.bench import Bench, difference, hidden, seen
from lamina.testing.trees import file, folder, hardlink, symlink, whiteout
from lamina.tree.entry import Entry, Kind
from tests.machine import THOROUGH

if TYPE_CHECKING:
    from lamina.testing.trees import Item

_PATHS = ("a", "b", "a/a", "a/b", "b/a", "a/a/a", "a/a/b", "a/b/a", "b/a/b")


def _items() -> st.SearchStrategy[Item]:
    path = st.sampled_from(_PATHS)
    content = st.sampled_from([b"1", b"2"])
    return st.one_of(
        st.builds(file, path, content),
        st.builds(whiteout, path),
        st.builds(folder, path, st.sampled_from([0o755, 0o700]), opaque=st.booleans()),
        st.builds(symlink, path, st.just("a")),
    )


@st.composite
def _layers(draw: st.DrawFn) -> tuple[Item, ...]:
    """A layer without contradictions: nothing but a folder has something below it."""
    items: dict[str, Item] = {}
    for item in draw(st.lists(_items(), max_size=5)):
        path = os.fsdecode(item.entry.path)
        parents = [path[:at] for at, char in enumerate(path) if char == "/"]
        clash = any(items[parent].entry.kind is not Kind.DIR for parent in parents if parent in items)
        below = item.entry.kind is not Kind.DIR and any(other.startswith(path + "/") for other in items)
        if path not in items and not clash and not below:
            items[path] = item
    return tuple(items.values())


@seed(20251123)
@given(st.lists(_layers(), min_size=1, max_size=4))
@settings(max_examples=150 if THOROUGH else 50, deadline=None, database=None)
def _check_stack(folder: str, ids: isolate.Ids, layers: list[tuple[Item, ...]]) -> None:
    os.mkdir(folder + "/stack")
    benches = []
    for backend in (Overlay, Native):
        os.mkdir(f"{folder}/stack/{backend.name}")
        benches.append(Bench(backend, f"{folder}/stack/{backend.name}", ids))
    shown = []
    for bench in benches:
        stack = [bench.layer(*items) for items in layers]
        wanted = {os.fsdecode(entry.path): _bare(entry) for _, entry in merge(map(walk.scan, stack))}
        with bench.view(*stack) as root:
            got = {path: _bare(entry) for path, entry in seen(root).items()}
        assert got == wanted, f"{bench.snapshotter.name}: {difference(wanted, got)}"
        shown.append(got)
    assert shown[0] == shown[1]
    remove_tree(folder + "/stack")


def _bare(entry: Entry) -> Entry:
    return entry._replace(digest="", opaque=False)


@pytest.mark.parametrize("ids", isolate.IDS)
def test_any_stack_shows_the_same_everywhere(ids: isolate.Ids, base: str | None) -> None:
    isolate.run(lambda folder: _check_stack(folder, ids), ids, base=base)


def _entries(*items: Item) -> list[Entry]:
    return [Entry(b"", Kind.DIR), *sorted((item.entry for item in items), key=lambda entry: entry.path)]


def test_numbers_say_which_layer() -> None:
    top = _entries(folder("d"), file("d/a"), whiteout("d/b"))
    base = _entries(folder("d", 0o700), file("d/a"), file("d/b"), file("d/c"))
    found = [(number, entry.path, entry.mode) for number, entry in merge([top, base])]
    assert found == [(0, b"d", 0o755), (0, b"d/a", 0o644), (1, b"d/c", 0o644)]


def test_a_hard_link_still_names_a_hidden_file() -> None:
    found = merge([_entries(whiteout("a")), _entries(file("a"), hardlink("b", "a"))])
    assert [(entry.path, entry.link) for _, entry in found] == [(b"b", b"a")]


def test_hidden_names(tmp_path_factory: pytest.TempPathFactory) -> None:
    from lamina.testing.trees import write

    path = str(tmp_path_factory.mktemp("h") / "r")
    names = hidden([write(path, file("d/a"), file("d/b"), file("e"))])
    assert sorted(names(b"d")) == [b"a", b"b"]
    assert list(names(b"e")) == list(names(b"nothing")) == []
