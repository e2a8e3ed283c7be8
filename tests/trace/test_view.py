"""A recorded root file system looks as the plain one does, and what is looked at is seen."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.trace.places import Place, run, view

from lamina.testing import trees
from lamina.testing.trees import CAPABILITY, char, fifo, file, folder, hardlink, symlink, whiteout

if TYPE_CHECKING:
    from lamina.oci.digest import DiffID
    from lamina.testing import isolate

IDS = ["root", "many", "one"]


def layers(place: Place, *, devices: bool) -> list[DiffID]:
    """Four layers, top first, with all that can be in one."""
    lowest = [
        folder("a"),
        file("a/one", b"1" * 5000, 0o4755, uid=33, gid=44, xattrs={"user.x": b"y"}),
        file("a/two", b"2", mtime=trees.TIME + 5_000_000_000),
        folder("a/deep"),
        file("a/deep/gone", b"x"),
        folder("etc"),
        file("etc/passwd", b"root:x:0:0::/root:/bin/sh\n"),
        folder("hidden"),
        file("hidden/below", b"never seen"),
        file("linked", b"both", 0o640),
        hardlink("linked2", "linked"),
        hardlink("a/linked3", "linked"),
        symlink("lib", "usr/lib", uid=3, gid=5),
        folder("sticky", 0o1777, uid=7),
        fifo("pipe"),
        file("replaced", b"file"),
        folder("turned"),
        file("turned/inside"),
        file("empty"),
        folder("strange \n\\:,name"),
        file("strange \n\\:,name/\udcff:", b"odd"),
    ]
    if devices:
        lowest += [
            char("null", 1, 3),
            char("high", 300, 70000),
            file("bin", b"", xattrs={"security.capability": CAPABILITY}),
        ]
    return [
        place.layer(
            folder("a"), file("a/deep", b"now a file"), folder("etc"), file("etc/hosts", b"of the image\n")
        ),
        place.layer(
            folder("hidden", opaque=True), file("hidden/above", b"a"), folder("replaced"), file("replaced/in")
        ),
        place.layer(
            folder("a"),
            folder("a/deep"),
            whiteout("a/deep/gone"),
            whiteout("a/two"),
            file("turned"),
            whiteout("linked2"),
        ),
        place.layer(*lowest),
    ]


@pytest.mark.parametrize("ids", IDS)
def test_looks_as_the_plain_one(ids: isolate.Ids) -> None:
    def test(place: Place) -> None:
        for chain in (layers(place, devices=ids == "root"), [], layers(place, devices=False)[3:]):
            with place.plain(chain) as root:
                plain = view(root)
            with place.recorded(chain) as shown:
                recorded = view(shown.root)
            if not chain:
                assert (recorded.pop("etc")[:4]) == plain.pop("etc")[:4]  # a mount point: of any time
            assert recorded == plain

    run(test, ids)


def test_the_order_of_names_does_not_show_the_layers() -> None:
    """Nor do the numbers of files: a read set says neither, and a step may depend on them."""

    def test(place: Place) -> None:
        whole = [place.layer(*[file(f"d/{name}") for name in "abc"], folder("d"))]
        parts = [place.layer(folder("d"), file(f"d/{name}")) for name in "bac"]
        assert listed(place, whole) == listed(place, parts)

    run(test, "root")


def listed(place: Place, chain: list[DiffID]) -> list[tuple[str, int]]:
    """The names in two folders as they come, with their inode numbers."""
    with place.recorded(chain) as shown:
        found = []
        for name in ("d", "etc", "."):
            fd = os.open(name, os.O_RDONLY, dir_fd=shown.root)
            with os.scandir(fd) as items:
                found += [(item.name, item.inode()) for item in items]
            os.close(fd)
        return found
