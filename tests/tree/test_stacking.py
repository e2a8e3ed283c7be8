"""compose: two layers as one do what they did one after the other, to any tree."""

from __future__ import annotations

from hypothesis import given, settings

from lamina.tree.change import apply, diff, layer_of
from lamina.tree.entry import Entry, Kind
from lamina.tree.stacking import compose
from lamina.tree.tree import Tree, ancestors
from tests.tree.strategies import layers, trees


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
