"""Folders: descriptors on the way down."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from lamina.fs.folders import Folders
from lamina.store.files import remove_tree
from lamina.testing.trees import file, symlink, write

if TYPE_CHECKING:
    from pathlib import Path


def _inode(fd: int) -> int:
    return os.fstat(fd).st_ino


def test_any_order_of_paths(tmp_path: Path) -> None:
    paths = ["", "a", "a/b", "a/b/c", "a/d", "e", "e/a/b"]
    root = write(str(tmp_path / "r"), *[file(f"{path}/x" if path else "x") for path in paths])
    with Folders(root) as folders:
        for path in [*paths, *reversed(paths), "a/b/c", "e/a/b", "a/b", ""]:
            assert _inode(folders.fd(os.fsencode(path))) == os.stat(f"{root}/{path}").st_ino


def test_after_a_failure_it_still_knows_where_it_is(tmp_path: Path) -> None:
    root = write(str(tmp_path / "r"), file("a/b/f"))
    with Folders(root) as folders:
        folders.fd(b"a")
        for wrong in (b"a/b/missing", b"a/b/f", b"a/b/f/g"):
            with pytest.raises(OSError):
                folders.fd(wrong)
            assert _inode(folders.fd(b"a/b")) == os.stat(root + "/a/b").st_ino
            assert _inode(folders.fd(b"a")) == os.stat(root + "/a").st_ino


def test_links_are_errors(tmp_path: Path) -> None:
    root = write(str(tmp_path / "r"), symlink("l", "d"), file("d/e/x"))
    with Folders(root) as folders:
        for path in (b"l", b"l/e"):
            with pytest.raises(OSError) as caught:
                folders.fd(path)
            assert caught.value.errno in {errno.ELOOP, errno.ENOTDIR}


def test_deep_ways_need_few_descriptors(tmp_path: Path) -> None:
    depth = 1000
    write(str(tmp_path / "r"), file("/".join(["d"] * depth) + "/end"))
    before = len(os.listdir("/proc/self/fd"))
    with Folders(str(tmp_path / "r")) as folders:
        inodes = [_inode(folders.fd(b"/".join([b"d"] * length))) for length in range(depth + 1)]
        assert len(os.listdir("/proc/self/fd")) - before < 150
        assert len(set(inodes)) == depth + 1
        for length in (depth, 500, 499, 20, 700, 0, 1):
            assert _inode(folders.fd(b"/".join([b"d"] * length))) == inodes[length]
    assert len(os.listdir("/proc/self/fd")) == before
    remove_tree(str(tmp_path / "r"))  # pytest's own cleaning up is recursive


def test_forget_lets_go(tmp_path: Path) -> None:
    root = write(str(tmp_path / "r"), file("a/x"), file("b/y"))
    with Folders(root) as folders:
        first = _inode(folders.fd(b"a"))
        os.rename(root + "/a", root + "/c")
        os.rename(root + "/b", root + "/a")
        folders.forget()
        assert _inode(folders.fd(b"a")) != first
        assert _inode(folders.fd(b"c")) == first


def test_a_descriptor_for_a_root(tmp_path: Path) -> None:
    root = write(str(tmp_path / "r"), file("a/x"))
    fd = os.open(root, os.O_RDONLY)
    with Folders(fd) as folders:
        os.close(fd)
        assert _inode(folders.fd(b"a")) == os.stat(root + "/a").st_ino
        assert _inode(folders.root) == os.stat(root).st_ino
