"""Checks of commit: which changes make which layer. That it shows what was written, Bench.commit checks."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from lamina.errors import NotFound
from lamina.fs import walk
from lamina.testing import trees
from lamina.testing.snapshotters.bench import changes, hidden, names, put, read, seen
from lamina.testing.trees import file, folder, hardlink, symlink, whiteout
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    from lamina.testing.snapshotters.bench import Bench


def check_nothing_changed(bench: Bench) -> None:
    base = bench.layer(file("a"), file("d/b"))
    diff = bench.commit([base], lambda root: read(root + "/d/b"))
    assert trees.kinds(diff) == {}


def check_a_new_file(bench: Bench) -> None:
    base = bench.layer(file("etc/passwd"))
    diff = bench.commit([base], lambda root: put(root + "/etc/new", b"1"))
    assert trees.kinds(diff) == {"etc": "d", "etc/new": "f"}


def check_a_changed_file(bench: Bench) -> None:
    base = bench.layer(file("a", b"1"), file("b", b"2"))

    def append(root: str) -> None:
        with open(root + "/a", "ab") as out:
            out.write(b"+")

    diff = bench.commit([base], append)
    assert trees.kinds(diff) == {"a": "f"}
    assert read(diff + "/a") == b"1+"


def check_a_deleted_file(bench: Bench) -> None:
    base = bench.layer(file("etc/passwd"), file("etc/group"))
    diff = bench.commit([base], lambda root: os.unlink(root + "/etc/passwd"))
    assert trees.kinds(diff) == {"etc": "d", "etc/passwd": "w"}


def check_a_deleted_folder(bench: Bench) -> None:
    base = bench.layer(file("a/b/c"), file("a/b/d/e"), file("x"))
    diff = bench.commit([base], lambda root: shutil.rmtree(root + "/a"))
    assert trees.kinds(diff) == {"a": "w"}


def check_a_file_that_came_and_went(bench: Bench) -> None:
    base = bench.layer(file("tmp/x"))

    def change(root: str) -> None:
        put(root + "/tmp/y")
        os.unlink(root + "/tmp/y")

    assert changes(bench.commit([base], change)) in ({}, {"tmp": "d"})


def check_a_folder_made_anew(bench: Bench) -> None:
    """Overlay marks the new folder opaque; the layer has deletions instead."""
    base = bench.layer(file("d/a"), file("d/b"), file("d/sub/c"))

    def change(root: str) -> None:
        shutil.rmtree(root + "/d")
        os.mkdir(root + "/d")
        put(root + "/d/b", b"again")

    diff = bench.commit([base], change)
    assert trees.kinds(diff) == {"d": "d", "d/a": "w", "d/b": "f", "d/sub": "w"}
    assert not any(entry.opaque for entry in walk.scan(diff))


def check_a_folder_inside_a_folder_made_anew(bench: Bench) -> None:
    base = bench.layer(file("d/sub/deep/a"), file("d/sub/b"), file("d/other/x"))

    def change(root: str) -> None:
        shutil.rmtree(root + "/d")
        os.makedirs(root + "/d/sub/deep")
        put(root + "/d/sub/new")

    diff = bench.commit([base], change)
    assert changes(diff) == {"d/other": "w", "d/sub/b": "w", "d/sub/deep/a": "w", "d/sub/new": "f"}


def check_a_file_replaced_by_a_folder(bench: Bench) -> None:
    base = bench.layer(file("a", b"file"))

    def change(root: str) -> None:
        os.unlink(root + "/a")
        os.mkdir(root + "/a")
        put(root + "/a/inner")

    assert changes(bench.commit([base], change)) == {"a/inner": "f"}


def check_a_folder_replaced_by_a_file(bench: Bench) -> None:
    base = bench.layer(file("a/b/c"), file("a/d"))

    def change(root: str) -> None:
        shutil.rmtree(root + "/a")
        put(root + "/a")

    assert trees.kinds(bench.commit([base], change)) == {"a": "f"}


def check_a_folder_replaced_by_a_link(bench: Bench) -> None:
    base = bench.layer(file("lib/x"), folder("usr/lib"))

    def change(root: str) -> None:
        shutil.rmtree(root + "/lib")
        os.symlink("usr/lib", root + "/lib")

    assert trees.kinds(bench.commit([base], change)) == {"lib": "l"}


def check_a_renamed_file(bench: Bench) -> None:
    base = bench.layer(file("a", b"content"), file("d/x"))
    diff = bench.commit([base], lambda root: os.rename(root + "/a", root + "/d/b"))
    assert changes(diff) == {"a": "w", "d/b": "f"}
    assert read(diff + "/d/b") == b"content"


def check_a_renamed_folder(bench: Bench) -> None:
    """mv: a rename, or a copy where the file system says EXDEV."""
    base = bench.layer(file("old/a", b"1"), file("old/sub/b", b"2"), symlink("old/l", "a"))
    diff = bench.commit([base], lambda root: shutil.move(root + "/old", root + "/new"))
    assert changes(diff) == {"old": "w", "new/a": "f", "new/sub/b": "f", "new/l": "l"}


def check_two_files_swapped(bench: Bench) -> None:
    base = bench.layer(file("a", b"1"), file("b", b"2"))

    def change(root: str) -> None:
        os.rename(root + "/a", root + "/t")
        os.rename(root + "/b", root + "/a")
        os.rename(root + "/t", root + "/b")

    diff = bench.commit([base], change)
    assert trees.kinds(diff) == {"a": "f", "b": "f"}
    assert (read(diff + "/a"), read(diff + "/b")) == (b"2", b"1")


def check_new_hard_links(bench: Bench) -> None:
    base = bench.layer(file("old", b"old"))

    def change(root: str) -> None:
        put(root + "/a", b"new")
        os.link(root + "/a", root + "/b")
        os.mkdir(root + "/d")
        os.link(root + "/old", root + "/d/c")

    diff = bench.commit([base], change)
    assert trees.kinds(diff) == {"a": "f", "b": "h", "d": "d", "d/c": "f", "old": "h"}
    entries = trees.tree(diff)
    assert (entries["b"].link, entries["old"].link) == (b"a", b"d/c")


def check_hard_links_of_the_parent(bench: Bench) -> None:
    base = bench.layer(file("a", b"x"), hardlink("b", "a"), hardlink("c", "a"))
    diff = bench.commit([base], lambda root: os.unlink(root + "/a"))
    assert changes(diff)["a"] == "w"
    with bench.view(diff, base) as root:
        assert names(root) == ["b", "c"]
        assert read(root + "/b") == b"x"


def check_layers_upon_layers(bench: Bench) -> None:
    stack: list[str] = []
    for number in range(5):

        def change(root: str, number: int = number) -> None:
            put(f"{root}/f{number}", b"%d" % number)
            put(f"{root}/all", b"%d" % number)
            if number:
                os.unlink(f"{root}/f{number - 1}")

        stack.insert(0, bench.commit(stack, change))
    with bench.view(*stack) as root:
        assert names(root) == ["all", "f4"]


def check_a_layer_over_other_parents(bench: Bench) -> None:
    """A layer says what changed and nothing more: over another parent it hides only what it deleted."""
    base = bench.layer(file("d/a"), file("d/b"), file("e"))

    def change(root: str) -> None:
        shutil.rmtree(root + "/d")
        os.mkdir(root + "/d")
        put(root + "/d/new")
        os.unlink(root + "/e")

    diff = bench.commit([base], change)
    other = bench.layer(file("d/a"), file("d/other"), file("f"))
    with bench.view(diff, other) as root:
        assert names(root) == ["d", "f"]
        assert names(root + "/d") == ["new", "other"]
    with bench.view(diff) as root:
        assert names(root) == ["d"]
        assert names(root + "/d") == ["new"]


def check_no_mark_of_overlay_is_left(bench: Bench) -> None:
    base = bench.layer(file("d/a", b"1"), file("e/b"), file("x", b"2"))

    def change(root: str) -> None:
        put(root + "/x", b"3")
        put(root + "/d/a", b"4")
        os.mkdir(root + "/new")
        shutil.rmtree(root + "/e")
        os.mkdir(root + "/e")

    diff = bench.commit([base], change)
    for entry in walk.scan(diff):
        assert not entry.xattrs and not entry.opaque, entry
    for path, _, _ in os.walk(diff):
        marks = {name.rpartition(".")[2] for name in os.listxattr(path) if ".overlay." in name}
        assert marks <= {"origin"}, (path, marks)


def check_a_commit_ends_the_snapshot(bench: Bench) -> None:
    key = bench.write([], lambda root: put(root + "/a"))
    bench.snapshotter.commit(key, bench.new_diff(), hidden=hidden([]))
    assert [info.key for info in bench.snapshotter.walk()] == []
    assert names(bench.folder + "/mnt") == []
    try:
        bench.snapshotter.stat(key)
    except NotFound:
        return
    raise AssertionError("the snapshot is still there")


def check_a_commit_that_keeps(bench: Bench) -> None:
    """lamina commit of a container that goes on: mounted meanwhile, written to afterwards."""
    base = bench.layer(file("a", b"1"), file("d/b"), file("gone"))
    key = bench.word()
    bench.snapshotter.prepare(key, [base])
    first, second = bench.new_diff(), bench.new_diff()
    with bench.mounted(key) as root:
        put(root + "/a", b"2")
        os.unlink(root + "/gone")
        shutil.rmtree(root + "/d")
        os.mkdir(root + "/d")
        os.link(root + "/a", root + "/linked")
        written = seen(root)
        bench.snapshotter.commit(key, first, hidden=hidden([base]), keep=True)
        assert seen(root) == written
        put(root + "/more")
        later = seen(root)
    bench.snapshotter.commit(key, second, hidden=hidden([base]))
    assert trees.kinds(first) == {"a": "f", "d": "d", "d/b": "w", "gone": "w", "linked": "h"}
    for diff, wanted in ((first, written), (second, later)):
        with bench.view(diff, base) as root:
            assert seen(root) == wanted


def check_changes_are_what_a_commit_writes(bench: Bench) -> None:
    base = bench.layer(file("a", b"1"), file("d/b"), file("d/c"), whiteout("x"))

    def change(root: str) -> None:
        put(root + "/a", b"22")
        shutil.rmtree(root + "/d")
        os.makedirs(root + "/d/sub")
        os.link(root + "/a", root + "/z")

    key = bench.write([base], change)
    announced = list(bench.snapshotter.changes(key, hidden=hidden([base])))
    into = bench.new_diff()
    bench.snapshotter.commit(key, into, hidden=hidden([base]))
    assert announced[0].path == b"" and announced[0].kind is Kind.DIR
    assert announced[1:] == list(walk.scan(into))[1:]
