"""What a recording sees: each name that was looked up, found or not, and each folder that was listed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.trace.places import Place, names, run

from lamina.testing.trees import file, folder, hardlink, symlink, whiteout
from lamina.trace import daemon
from lamina.tree.readset import unpack

if TYPE_CHECKING:
    from lamina.oci.digest import DiffID
    from lamina.testing import isolate

IDS = ["root", "many", "one"]


def layers(place: Place) -> list[DiffID]:
    return [
        place.layer(folder("etc"), whiteout("etc/gone"), file("etc/new", b"n")),
        place.layer(
            folder("etc"), file("etc/passwd", b"p"), file("etc/gone"), file("etc/hosts"),
            folder("usr"), folder("usr/lib"), file("usr/lib/libc.so", b"c"), symlink("lib", "usr/lib"),
            file("one", b"1"), hardlink("two", "one"), symlink("etc/resolv.conf", "../run/resolv.conf"),
        ),
    ]  # fmt: skip


def read(root: int, path: str) -> bytes:
    opened = os.open(path, os.O_RDONLY, dir_fd=root)
    try:
        return os.read(opened, 1000)
    finally:
        os.close(opened)


@pytest.mark.parametrize("ids", IDS)
def test_looked_up_and_listed(ids: isolate.Ids) -> None:
    def test(place: Place) -> None:
        with place.recorded(layers(place)) as shown:
            root = shown.root
            assert read(root, "lib/libc.so") == b"c"
            with pytest.raises(FileNotFoundError):
                os.stat("etc/gone", dir_fd=root)
            with pytest.raises(FileNotFoundError):
                os.stat("nowhere/at/all", dir_fd=root)
            usr = os.open("usr", os.O_RDONLY, dir_fd=root)
            assert os.listdir(usr) == ["lib"]
            os.close(usr)
            assert names(shown.finish()) == {
                "", "lib", "usr", "usr/", "usr/lib", "usr/lib/libc.so", "etc", "etc/gone!", "nowhere!",
            }  # fmt: skip

    run(test, ids)


@pytest.mark.parametrize("ids", IDS)
def test_writes_look_below_as_well(ids: isolate.Ids) -> None:
    def test(place: Place) -> None:
        with place.recorded(layers(place)) as shown:
            os.mkdir("usr/local", dir_fd=shown.root)
            for path in ("usr/local/made", "etc/motd"):
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, dir_fd=shown.root))
            os.rename("one", "three", src_dir_fd=shown.root, dst_dir_fd=shown.root)
            os.unlink("usr/lib/libc.so", dir_fd=shown.root)
            seen = names(shown.finish())
            # in a folder that the step made nothing is read of what is below
            assert seen == {
                "", "usr", "usr/local!", "etc", "etc/motd!", "one", "three!", "usr/lib", "usr/lib/libc.so",
            }  # fmt: skip

    run(test, ids)


def test_what_the_sandbox_covers_is_no_news() -> None:
    def test(place: Place) -> None:
        with place.recorded(layers(place)) as shown:
            for path in ("etc/hosts", "etc/hostname", "etc/resolv.conf", "proc", "dev"):
                os.stat(path, dir_fd=shown.root, follow_symlinks=False)
            # a link there is followed, and leads elsewhere in another image
            assert names(shown.finish()) == {"", "etc", "etc/resolv.conf", "proc!", "dev!"}

    run(test, "root")


def test_changed_paths_are_added_where_something_could_be_below() -> None:
    def test(place: Place) -> None:
        with place.recorded(layers(place)) as shown:
            found = names(
                shown.finish(b"etc", b"etc/motd", b"opt", b"opt/tool", b"lib/libc.so", b"usr/lib/libc.so")
            )
            assert found == {"", "etc", "etc/motd!", "opt!", "usr/lib/libc.so"}

    run(test, "root")


def test_names_of_one_file_count_together() -> None:
    def test(place: Place) -> None:
        values = []
        chains = [layers(place), layers(place)]
        chains[1].insert(0, place.layer(whiteout("two")))
        chains.append([place.layer(file("one", b"1"))])
        for chain in chains:
            with place.recorded(chain) as shown:
                read(shown.root, "one")
                values.append(unpack(shown.finish().read_set or b"").digest)
        # another layer's whiteout does not make it another file; being alone does
        assert values[0] == values[1] != values[2]

    run(test, "root")


def test_too_much() -> None:
    def test(place: Place) -> None:
        chain = layers(place)
        with place.recorded(chain) as shown:
            for number in range(daemon.MOST + 10):
                assert not os.access(f"etc/{number}", os.F_OK, dir_fd=shown.root)
            assert read(shown.root, "etc/passwd") == b"p"
            traced = shown.finish()
        assert (traced.read_set, traced.paths, traced.doubt) == (None, 0, daemon.OVERFLOW)

    run(test, "root")
