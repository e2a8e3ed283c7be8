"""opposed: layers that commute make the same of every tree in either order, and the others do not."""

from __future__ import annotations

from operator import itemgetter

from hypothesis import given, settings

from lamina.tree.change import apply
from lamina.tree.commuting import opposed, place
from lamina.tree.entry import Entry, Kind
from lamina.tree.tree import Tree
from tests.tree.strategies import layers, trees

Layer = tuple[Entry, ...]


def clash(a: Layer, b: Layer) -> list[bytes]:
    """The paths at which two layers do not commute."""
    by_place = [sorted(layer, key=lambda entry: place(entry.path)) for layer in (a, b)]
    return list(opposed(*by_place))


def look(tree: Tree, *, links: bool = False) -> list[Entry]:
    """A tree but for the times of folders and, unless wanted, for what is linked to what."""
    plain: dict[Kind, dict[str, object]] = {Kind.DIR: {"mtime": 0}}
    if not links:
        plain[Kind.HARDLINK] = {"kind": Kind.FILE, "link": b""}
    found = [entry._replace(**plain.get(entry.kind, {})) for entry in tree]  # type: ignore[arg-type]
    return sorted(found, key=itemgetter(0))


@settings(max_examples=60)
@given(trees(), layers(), layers())
def test_layers_that_commute(tree: Tree, a: Layer, b: Layer) -> None:
    if not clash(a, b):
        assert look(apply(apply(tree, a), b)) == look(apply(apply(tree, b), a))


@settings(max_examples=60)
@given(layers(), layers())
def test_layers_that_do_not(a: Layer, b: Layer) -> None:
    """On nothing at all, the order of layers that are opposed can be seen."""
    if clash(a, b):
        one, other = apply(apply(Tree(), a), b), apply(apply(Tree(), b), a)
        assert look(one, links=True) != look(other, links=True)
    assert clash(a, b) == clash(b, a)
    assert not clash(a, a)


def test_examples() -> None:
    folder, other = Entry(b"d", Kind.DIR, mtime=1), Entry(b"d", Kind.DIR, mtime=2)
    a, b = Entry(b"d/a", Kind.FILE, 0o644), Entry(b"d/b", Kind.FILE, 0o644)
    assert clash((folder, a), (other, b)) == []
    assert clash((folder, a), (other._replace(mode=0o700), b)) == [b"d"]
    assert clash((folder, a), (other, a._replace(mtime=3))) == [b"d/a"]
    assert clash((folder, a), (Entry(b"d", Kind.WHITEOUT, 0),)) == [b"d"]
    assert clash((folder, a), (folder._replace(opaque=True), b)) == [b"d/a"]
    assert clash((folder, a), (Entry(b"d", Kind.SYMLINK, 0o777, link=b"e"),)) == [b"d"]
