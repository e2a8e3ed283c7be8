"""Trees: look-up, listing, and where paths lead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import InvalidInput
from lamina.tree.entry import Entry, Kind
from lamina.tree.tree import Tree, ancestors, parent_of, resolve
from tests.tree.strategies import trees


def folder(path: bytes) -> Entry:
    return Entry(path, Kind.DIR)


def link(path: bytes, target: bytes) -> Entry:
    return Entry(path, Kind.SYMLINK, link=target)


HOUSE = Tree(
    [
        folder(b""),
        folder(b"bin"),
        Entry(b"bin/sh", Kind.FILE),
        link(b"abs", b"/bin"),
        link(b"out", b"../../../etc"),
        folder(b"d"),
        link(b"d/up", b".."),
        link(b"d/rel", b"../bin/./sh"),
        link(b"d/slash", b"rel/"),
        link(b"root", b"/"),
        link(b"loop", b"loop"),
        link(b"ping", b"pong"),
        link(b"pong", b"/ping"),
        link(b"dead", b"no/where"),
    ]
)


@given(trees())
def test_children_and_below_agree_with_the_plain_definition(tree: Tree) -> None:
    paths = [entry.path for entry in tree]
    assert paths == sorted(set(paths))
    for path in [b"", *paths, b"nowhere"]:
        prefix = path + b"/" if path else b""
        below = [item for item in paths if item.startswith(prefix) and item != path]
        assert [entry.path for entry in tree.below(path)] == below
        children = [item for item in below if parent_of(item) == path]
        assert [entry.path for entry in tree.children(path)] == children
        assert tree.get(path) in (None, *tree)


def test_the_root_is_not_its_own_child() -> None:
    assert [entry.path for entry in HOUSE.children(b"")] == sorted(
        [b"abs", b"bin", b"d", b"dead", b"loop", b"out", b"ping", b"pong", b"root"]
    )


def test_a_folder_without_an_entry_has_children_too() -> None:
    tree = Tree([Entry(b"a/b/c", Kind.FILE), Entry(b"a/b-c", Kind.FILE), Entry(b"a/d", Kind.FILE)])
    assert [entry.path for entry in tree.children(b"a")] == [b"a/b-c", b"a/d"]
    assert [entry.path for entry in tree.children(b"a/b")] == [b"a/b/c"]


def test_the_later_of_two_entries_counts() -> None:
    tree = Tree([folder(b"a"), Entry(b"a", Kind.FILE)])
    assert len(tree) == 1
    assert tree.get(b"a") == Entry(b"a", Kind.FILE)
    assert tree == Tree([Entry(b"a", Kind.FILE)])
    assert hash(tree) == hash(Tree([Entry(b"a", Kind.FILE)]))
    assert b"a" in tree
    assert tree != 5


@pytest.mark.parametrize(
    ("path", "follow_last", "expected"),
    [
        (b"", True, b""),
        (b"/", True, b""),
        (b"bin/sh", True, b"bin/sh"),
        (b"//bin/./x/../sh", True, b"bin/sh"),
        (b"abs/sh", True, b"bin/sh"),
        (b"abs", False, b"abs"),
        (b"abs/", False, b"bin"),
        (b"abs/.", False, b"bin"),
        (b"abs", True, b"bin"),
        (b"out/passwd", True, b"etc/passwd"),
        (b"../../x", True, b"x"),
        (b"d/up/bin/sh", True, b"bin/sh"),
        (b"d/up/d/up/d/up", True, b""),
        (b"d/rel", True, b"bin/sh"),
        (b"root/root/root/abs/../..", True, b""),
        (b"dead/x", True, b"no/where/x"),
        (b"dead/../x", True, b"no/x"),
        (b"abs/../d", True, b"d"),
        (b"loop", False, b"loop"),
        (b"new/folder/", True, b"new/folder"),
    ],
)
def test_where_paths_lead(path: bytes, follow_last: bool, expected: bytes) -> None:
    assert resolve(path, HOUSE.get, follow_last) == expected


@pytest.mark.parametrize("path", [b"loop", b"loop/x", b"ping", b"d/../pong"])
def test_loops(path: bytes) -> None:
    with pytest.raises(InvalidInput, match="too many levels of symbolic links"):
        resolve(path, HOUSE.get)


@pytest.mark.parametrize("path", [b"bin/sh/x", b"bin/sh/", b"bin/sh/..", b"d/slash", b"d/rel/x"])
def test_a_file_is_no_folder(path: bytes) -> None:
    with pytest.raises(InvalidInput, match="not a directory: /bin/sh"):
        resolve(path, HOUSE.get)


def test_as_many_links_as_linux() -> None:
    chain = Tree([link(b"%d" % n, b"%d" % (n + 1)) for n in range(41)])
    assert resolve(b"1", chain.get) == b"41"
    with pytest.raises(InvalidInput):
        resolve(b"0", chain.get)


PARTS = st.sampled_from([b"a", b"b", b"c", b"..", b".", b"", b"a-b"])


@given(trees(), st.lists(PARTS).map(b"/".join), st.booleans())
def test_no_path_leads_outside(tree: Tree, path: bytes, follow_last: bool) -> None:
    try:
        found = resolve(path, tree.get, follow_last)
    except InvalidInput:
        return
    assert not found.startswith(b"/")
    assert not {b"..", b".", b""} & set(found.split(b"/")) or found == b""
    for ancestor in ancestors(found):
        entry = tree.get(ancestor)
        assert entry is None or entry.kind is Kind.DIR


def test_ancestors() -> None:
    assert ancestors(b"a/b/c") == [b"a/b", b"a"]
    assert ancestors(b"a") == ancestors(b"") == []
