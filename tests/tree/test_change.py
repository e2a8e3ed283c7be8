"""diff and apply: a layer made of the changes turns the one tree into the other."""

from __future__ import annotations

from hypothesis import given

from lamina.tree.change import Change, ChangeKind, apply, diff, layer_of
from lamina.tree.entry import Entry, Kind
from lamina.tree.tree import Tree, ancestors
from lamina.tree.whiteout import whiteout
from tests.tree.strategies import trees

A, C, D = ChangeKind.ADD, ChangeKind.MODIFY, ChangeKind.DELETE


def folder(path: bytes, **fields: object) -> Entry:
    return Entry(path, Kind.DIR)._replace(**fields)  # type: ignore[arg-type]


def file(path: bytes, text: bytes = b"x", **fields: object) -> Entry:
    return Entry(path, Kind.FILE, 0o644, size=len(text), digest=text.hex())._replace(**fields)  # type: ignore[arg-type]


def link(path: bytes, target: Entry) -> Entry:
    return target._replace(path=path, kind=Kind.HARDLINK, link=target.path)


def letters(changes: tuple[Change, ...]) -> list[tuple[str, bytes]]:
    return [(change.kind.value, change.path) for change in changes]


@given(trees(), trees())
def test_the_layer_of_the_changes_makes_the_other_tree(a: Tree, b: Tree) -> None:
    layer = layer_of(diff(a, b), b)
    assert apply(a, layer) == b
    assert [entry.path for entry in layer] == sorted({entry.path for entry in layer})
    held = {entry.path for entry in layer}
    for entry in layer:
        assert held.issuperset(ancestors(entry.path)), "a layer holds the folders of what is in it"
        if entry.kind is Kind.HARDLINK:
            assert entry.link in held, "and the files of its hard links"


@given(trees())
def test_equal_trees_differ_in_nothing(tree: Tree) -> None:
    assert diff(tree, Tree(tree)) == ()
    assert apply(tree, ()) == tree
    assert apply(Tree(), tree) == tree


@given(trees(), trees())
def test_every_change_is_told_once_and_sorted(a: Tree, b: Tree) -> None:
    changes = diff(a, b)
    paths = [change.path for change in changes]
    assert paths == sorted(set(paths))
    for change in changes:
        assert change.old == a.get(change.path)
        assert change.new == b.get(change.path)


def test_times_count_when_asked() -> None:
    a, b = Tree([folder(b"d"), file(b"f")]), Tree([folder(b"d", mtime=5), file(b"f", mtime=5)])
    assert diff(a, b) == ()
    assert letters(diff(a, b, mtimes=True)) == [("C", b"d"), ("C", b"f")]
    assert apply(a, layer_of(diff(a, b, mtimes=True), b)) == b


def test_a_time_counts_for_a_file_whose_content_is_not_known() -> None:
    unknown = file(b"f", digest="")
    assert letters(diff(Tree([unknown]), Tree([unknown._replace(mtime=5)]))) == [("C", b"f")]
    assert diff(Tree([file(b"f", b"", digest="")]), Tree([file(b"f", b"", digest="e3", mtime=3)])) == ()


def test_a_deleted_folder_is_one_change() -> None:
    a = Tree([folder(b"d"), file(b"d/x"), folder(b"d/e"), file(b"d/e/y"), file(b"k")])
    assert letters(diff(a, Tree([file(b"k")]))) == [("D", b"d")]
    assert letters(diff(a, Tree([file(b"k"), file(b"d")]))) == [("C", b"d")]


def test_all_names_of_a_changed_file_are_in_the_layer() -> None:
    a = Tree([file(b"a"), file(b"b")])
    b = Tree([file(b"a"), link(b"b", file(b"a")), link(b"c", file(b"a"))])
    assert letters(diff(a, b)) == [("C", b"a"), ("C", b"b"), ("A", b"c")]


def test_a_name_survives_when_its_file_is_replaced_or_deleted() -> None:
    old = file(b"a", b"old")
    lower = Tree([old, link(b"b", old), link(b"c", old)])
    after = apply(lower, [whiteout(b"a")])
    assert list(after) == [file(b"b", b"old"), link(b"c", file(b"b", b"old"))]
    new = file(b"a", b"new!")
    assert list(apply(lower, [new])) == [new, file(b"b", b"old"), link(b"c", file(b"b", b"old"))]


def test_whiteouts_and_opaque_folders() -> None:
    lower = Tree([folder(b"d"), folder(b"d/e"), file(b"d/e/x"), file(b"d/y"), file(b"d-z")])
    assert list(apply(lower, [whiteout(b"d/e")])) == [folder(b"d"), file(b"d-z"), file(b"d/y")]
    assert list(apply(lower, [whiteout(b"d")])) == [file(b"d-z")]
    opaque = folder(b"d", opaque=True, mode=0o700)
    after = apply(lower, [opaque, file(b"d/n")])
    assert list(after) == [folder(b"d", mode=0o700), file(b"d-z"), file(b"d/n")]
    assert list(apply(lower, [folder(b"", opaque=True)])) == [folder(b"")]
    assert list(apply(Tree(), [whiteout(b"gone")])) == []


def test_a_whiteout_hides_only_what_is_below() -> None:
    lower = Tree([folder(b"d"), file(b"d/x")])
    assert list(apply(lower, [whiteout(b"d"), file(b"d/y")])) == [folder(b"d"), file(b"d/y")]


def test_kinds_replace_each_other() -> None:
    lower = Tree([folder(b"d"), file(b"d/x"), file(b"f")])
    assert list(apply(lower, [file(b"d")])) == [file(b"d"), file(b"f")]
    assert list(apply(lower, [folder(b"f"), file(b"f/x")])) == [*[*lower][:2], folder(b"f"), file(b"f/x")]
    assert list(apply(lower, [file(b"f/x")])) == [*[*lower][:2], folder(b"f"), file(b"f/x")]


def test_folders_that_a_layer_leaves_out_stay_as_they_are() -> None:
    lower = Tree([folder(b"d", mode=0o700)])
    after = apply(lower, [file(b"d/x"), file(b"e/f/x")])
    assert [(entry.path, entry.mode) for entry in after] == [
        (b"d", 0o700),
        (b"d/x", 0o644),
        (b"e", 0o755),
        (b"e/f", 0o755),
        (b"e/f/x", 0o644),
    ]


def test_hard_links_take_the_metadata_of_their_file() -> None:
    bare = [Entry(b"b", Kind.HARDLINK, link=b"a"), Entry(b"c", Kind.HARDLINK, link=b"b"), file(b"a", uid=5)]
    made = file(b"a", uid=5)
    assert list(apply(Tree(), bare)) == [made, link(b"b", made), link(b"c", made)]
    loop = [Entry(b"a", Kind.HARDLINK, link=b"b"), Entry(b"b", Kind.HARDLINK, link=b"a")]
    assert len(apply(Tree(), loop)) == 2
