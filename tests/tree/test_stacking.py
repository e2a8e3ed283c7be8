"""over: two layers that become one by it, path by path, do what they did one after the other, to any tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings

from lamina.tree.change import apply, diff, layer_of, relink
from lamina.tree.entry import Entry, Kind
from lamina.tree.stacking import over
from lamina.tree.tree import Tree, ancestors
from tests.tree.strategies import layers, trees

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator


def compose(lower: Iterable[Entry], upper: Iterable[Entry]) -> tuple[Entry, ...]:
    """Both as one layer, sorted by path."""
    below, above = Tree(lower), Tree(upper)
    closed = {entry.path for entry in above if entry.kind is not Kind.DIR or entry.opaque}
    merged = {entry.path: entry for entry in below if closed.isdisjoint(folders(entry.path))}
    for entry in above:
        merged[entry.path] = over(merged.get(entry.path), entry)
    relink(below, {entry.path for entry in above}, merged)
    return tuple(sorted(said_once(merged.values())))


def said_once(entries: Collection[Entry]) -> Iterator[Entry]:
    """The entries without what says nothing more below an opaque folder: deletions, and being opaque."""
    opaque = {entry.path for entry in entries if entry.opaque}
    for entry in entries:
        if opaque.isdisjoint(folders(entry.path)):
            yield entry
        elif entry.kind is not Kind.WHITEOUT:
            yield entry._replace(opaque=False)


def folders(path: bytes) -> list[bytes]:
    return [*ancestors(path), b""] if path else []


@given(trees(), layers(), layers())
def test_two_layers_as_one(tree: Tree, lower: tuple[Entry, ...], upper: tuple[Entry, ...]) -> None:
    both = compose(lower, upper)
    assert apply(tree, both) == apply(apply(tree, lower), upper)
    held = {entry.path: entry for entry in both}
    assert list(held) == sorted(held)
    for entry in both:
        assert all(held[up].kind is Kind.DIR for up in ancestors(entry.path)), "it has its folders"
        if entry.kind is Kind.HARDLINK:
            assert held[entry.link] == entry._replace(path=entry.link, kind=Kind.FILE, link=b"")


@settings(max_examples=40)
@given(layers(), layers(), layers())
def test_it_does_not_matter_where_one_begins(
    a: tuple[Entry, ...], b: tuple[Entry, ...], c: tuple[Entry, ...]
) -> None:
    assert compose(compose(a, b), c) == compose(a, compose(b, c))


@given(layers())
def test_nothing_adds_nothing(layer: tuple[Entry, ...]) -> None:
    assert compose(compose((), layer), ()) == compose((), layer) == compose(layer, ())


@settings(max_examples=40)
@given(trees(), trees(), trees())
def test_changes_of_changes(a: Tree, b: Tree, c: Tree) -> None:
    both = compose(layer_of(diff(a, b), b), layer_of(diff(b, c), c))
    assert apply(a, both) == c
