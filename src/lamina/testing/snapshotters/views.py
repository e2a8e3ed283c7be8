"""Checks of the merged view: which layer shows where."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from lamina.errors import Denied
from lamina.testing.isolate import Skip
from lamina.testing.snapshotters.bench import names, put, read
from lamina.testing.trees import file, folder, hardlink, symlink, whiteout

if TYPE_CHECKING:
    from lamina.testing.snapshotters.bench import Bench


def check_a_view_shows_all_layers(bench: Bench) -> None:
    base = bench.layer(file("etc/passwd", b"base"), file("bin/sh", b"sh"))
    top = bench.layer(file("etc/passwd", b"top"), file("usr/x"))
    with bench.view(top, base) as root:
        assert names(root) == ["bin", "etc", "usr"]
        assert read(root + "/etc/passwd") == b"top"
        assert read(root + "/bin/sh") == b"sh"


def check_a_view_is_read_only(bench: Bench) -> None:
    base = bench.layer(file("a"))
    with bench.view(base) as root:
        try:
            put(root + "/b")
        except OSError as error:
            assert error.errno == errno.EROFS
        else:
            raise AssertionError("a file was written")


def check_a_snapshot_of_no_layers_is_empty(bench: Bench) -> None:
    with bench.view() as root:
        assert names(root) == []
    diff = bench.commit([], lambda root: put(root + "/first", b"1"))
    with bench.view(diff) as root:
        assert read(root + "/first") == b"1"


def check_the_root_folder_is_as_the_layers_say(bench: Bench) -> None:
    base = bench.layer(folder("", 0o711))
    top = bench.layer(file("a"))
    with bench.view(top, base) as root:
        assert os.stat(root).st_mode & 0o7777 == 0o711
    key = bench.word()
    bench.snapshotter.prepare(key, [top, base])
    with bench.mounted(key) as root:
        assert os.stat(root).st_mode & 0o7777 == 0o711
    with bench.view(top) as root:
        assert os.stat(root).st_mode & 0o7777 == 0o755


def check_a_whiteout_hides_a_file(bench: Bench) -> None:
    base = bench.layer(file("etc/passwd"), file("etc/group"))
    top = bench.layer(whiteout("etc/passwd"))
    with bench.view(top, base) as root:
        assert names(root + "/etc") == ["group"]
        assert not os.path.lexists(root + "/etc/passwd")


def check_a_whiteout_hides_a_folder_with_all_in_it(bench: Bench) -> None:
    base = bench.layer(file("a/b/c"), file("a/d"))
    top = bench.layer(whiteout("a/b"))
    with bench.view(top, base) as root:
        assert names(root + "/a") == ["d"]


def check_whiteouts_of_both_forms(bench: Bench) -> None:
    base = bench.layer(file("etc/passwd"), file("etc/group"), file("x"))
    top = bench.layer(whiteout("etc/passwd"), whiteout("x"), file("etc/new"), plain_whiteouts=True)
    with bench.view(top, base) as root:
        assert names(root) == ["etc"]
        assert names(root + "/etc") == ["group", "new"]


def check_a_whiteout_of_nothing_does_not_show(bench: Bench) -> None:
    base = bench.layer(file("a"))
    top = bench.layer(whiteout("only/here"), file("only/b"), whiteout("c"))
    with bench.view(top, base) as root:
        assert names(root) == ["a", "only"]
        assert names(root + "/only") == ["b"]


def check_what_was_deleted_can_come_back(bench: Bench) -> None:
    base = bench.layer(file("d/old"))
    middle = bench.layer(whiteout("d"))
    top = bench.layer(file("d/new"))
    with bench.view(top, middle, base) as root:
        assert names(root + "/d") == ["new"]


def check_an_opaque_folder_hides_what_is_below(bench: Bench) -> None:
    base = bench.layer(file("d/old"), file("d/sub/old"), file("e"))
    top = bench.layer(folder("d", opaque=True), file("d/new"), file("d/sub/new"))
    with bench.view(top, base) as root:
        assert names(root) == ["d", "e"]
        assert names(root + "/d") == ["new", "sub"]
        assert names(root + "/d/sub") == ["new"]


def check_an_opaque_folder_in_the_middle(bench: Bench) -> None:
    base = bench.layer(file("d/base"))
    middle = bench.layer(folder("d", opaque=True), file("d/middle"))
    top = bench.layer(file("d/top"))
    with bench.view(top, middle, base) as root:
        assert names(root + "/d") == ["middle", "top"]


def check_an_opaque_root_hides_all_layers_below(bench: Bench) -> None:
    base = bench.layer(file("a"))
    middle = bench.layer(folder("", opaque=True), file("b"))
    top = bench.layer(file("c"))
    with bench.view(top, middle, base) as root:
        assert names(root) == ["b", "c"]


def check_a_whiteout_in_an_opaque_folder_does_not_show(bench: Bench) -> None:
    base = bench.layer(file("d/old"))
    top = bench.layer(whiteout("d/old"), folder("d", opaque=True), file("d/new"))
    with bench.view(top, base) as root:
        assert names(root + "/d") == ["new"]


def check_a_folder_and_its_whiteout_in_one_layer(bench: Bench) -> None:
    base = bench.layer(file("d/old"), file("e/old"))
    top = bench.layer(whiteout("d"), file("d/new"), file("e/new"), whiteout("e"))
    with bench.view(top, base) as root:
        assert names(root + "/d") == ["new"]
        assert names(root + "/e") == ["new"]


def check_a_file_over_a_folder(bench: Bench) -> None:
    base = bench.layer(file("a/b/c"))
    top = bench.layer(file("a", b"file"))
    with bench.view(top, base) as root:
        assert read(root + "/a") == b"file"


def check_a_folder_over_a_file(bench: Bench) -> None:
    base = bench.layer(file("a", b"file"))
    top = bench.layer(file("a/b", b"inner"))
    with bench.view(top, base) as root:
        assert names(root + "/a") == ["b"]


def check_a_file_between_two_folders_separates_them(bench: Bench) -> None:
    base = bench.layer(file("a/old"))
    middle = bench.layer(file("a"))
    top = bench.layer(file("a/new"))
    with bench.view(top, middle, base) as root:
        assert names(root + "/a") == ["new"]


def check_a_link_over_a_folder_is_not_followed(bench: Bench) -> None:
    base = bench.layer(file("lib/x"), file("usr/lib/y"))
    top = bench.layer(symlink("lib", "usr/lib"))
    with bench.view(top, base) as root:
        assert os.readlink(root + "/lib") == "usr/lib"
        assert names(root + "/usr/lib") == ["y"]


def check_a_folder_over_a_link_does_not_write_through_it(bench: Bench) -> None:
    base = bench.layer(symlink("lib", "usr/lib"), file("usr/lib/y"))
    top = bench.layer(file("lib/x"))
    with bench.view(top, base) as root:
        assert names(root + "/lib") == ["x"]
        assert names(root + "/usr/lib") == ["y"]


def check_links_that_lead_outside_are_only_text(bench: Bench) -> None:
    outside = bench.folder + "/outside"
    os.mkdir(outside)
    put(outside + "/secret", b"secret")
    links = (symlink("out", outside), symlink("up", "../../../.."), symlink("proc", "/proc/self/root"))
    base = bench.layer(*links, file("a"))

    def change(root: str) -> None:
        put(root + "/a")
        assert os.readlink(root + "/out") == outside
        os.symlink(outside + "/secret", root + "/also")

    diff = bench.commit([base], change)
    with bench.view(diff, base) as root:
        assert os.readlink(root + "/also") == outside + "/secret"
        assert os.readlink(root + "/up") == "../../../.."
    assert names(outside) == ["secret"]


def check_hard_links_of_a_layer(bench: Bench) -> None:
    base = bench.layer(file("a", b"x"), hardlink("b", "a"), hardlink("d/c", "a"))
    top = bench.layer(whiteout("a"))
    with bench.view(base) as root:
        inodes = {os.stat(f"{root}/{name}").st_ino for name in ("a", "b", "d/c")}
        assert len(inodes) == 1
    with bench.view(top, base) as root:
        assert names(root) == ["b", "d"]
        assert os.stat(root + "/b").st_ino == os.stat(root + "/d/c").st_ino
        assert read(root + "/b") == b"x"


def check_equal_names_in_two_layers_are_not_linked(bench: Bench) -> None:
    base = bench.layer(file("a", b"base"), hardlink("b", "a"))
    top = bench.layer(file("a", b"top"))
    with bench.view(top, base) as root:
        assert read(root + "/a") == b"top"
        assert read(root + "/b") == b"base"


def check_overlay_marks_cannot_be_smuggled_in(bench: Bench) -> None:
    """A layer of somebody else must not speak overlay's language through attributes."""
    marks = {"user.overlay.opaque": b"y", "trusted.overlay.opaque": b"y", "user.kept": b"1"}
    base = bench.layer(file("d/old"))
    top = bench.layer(folder("d", xattrs=marks), file("d/new"))
    with bench.view(top, base) as root:
        assert names(root + "/d") == ["new", "old"]
        assert os.listxattr(root + "/d") == ["user.kept"]


def check_devices_need_root(bench: Bench) -> None:
    from lamina.testing.trees import char

    if bench.ids == "root":
        raise Skip("this is root")
    try:
        bench.layer(char("dev/null", 1, 3))
    except Denied as error:
        assert "needs root" in error.message
    else:
        raise AssertionError("a device was made")
