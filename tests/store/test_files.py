"""remove_tree removes all of it, and nothing else."""

from __future__ import annotations

import os
import subprocess
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from lamina.errors import Conflict, Denied
from lamina.store.files import remove_tree
from lamina.store.sync import tree_size
from tests.store.processes import as_nobody, open_up

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.mount.userns import IdMap


def test_all_kinds_of_files(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "file").write_text("x")
    os.symlink(outside, tree / "a" / "link")
    os.symlink("nowhere", tree / "broken")
    os.mkfifo(tree / "fifo")
    os.mkdir(os.fsencode(tree) + b"/bad \xff\n name")
    (tree / ("n" * 255)).write_text("")
    remove_tree(str(tree))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["outside"]
    assert (outside / "kept").read_text() == "kept"


def test_what_is_no_folder_or_not_there(tmp_path: Path) -> None:
    remove_tree(str(tmp_path / "missing"))
    (tmp_path / "file").write_text("")
    os.symlink(tmp_path, tmp_path / "link")
    remove_tree(str(tmp_path / "file"))
    remove_tree(str(tmp_path / "link"))
    assert list(tmp_path.iterdir()) == []


def test_a_very_deep_tree(tmp_path: Path) -> None:
    top = os.open(tmp_path, os.O_RDONLY)
    os.mkdir("tree", dir_fd=top)
    at = os.open("tree", os.O_RDONLY, dir_fd=top)
    for level in range(2500):
        os.mkdir("d" * 20, dir_fd=at)
        os.close(os.open(f"file{level}", os.O_CREAT | os.O_WRONLY, dir_fd=at))
        below = os.open("d" * 20, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    os.close(top)
    remove_tree(str(tmp_path / "tree"))
    assert list(tmp_path.iterdir()) == []


def test_the_memory_does_not_grow_with_a_folder(tmp_path: Path) -> None:
    """A list of these names alone would take more than that."""
    for place in ("tree", "tree/inner"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "file").write_bytes(b"x" * 100)
        for number in range(15_000):
            os.link(tmp_path / place / "file", tmp_path / place / f"{number:0100d}")
    tracemalloc.start()
    try:
        assert tree_size(str(tmp_path / "tree")) == 200
        remove_tree(str(tmp_path / "tree"))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert not os.listdir(tmp_path)


def test_folders_that_are_shut(tmp_path: Path) -> None:
    def action() -> None:
        tree = tmp_path / "tree"
        (tree / "work" / "work").mkdir(parents=True)
        (tree / "ro" / "below").mkdir(parents=True)
        (tree / "ro" / "file").write_text("")
        (tree / "ro" / "below" / "file").write_text("")
        os.chmod(tree / "work" / "work", 0)
        os.chmod(tree / "ro" / "below", 0o500)
        os.chmod(tree / "ro", 0o500)
        remove_tree(str(tree))
        assert not os.path.lexists(tree)

    action()
    open_up(tmp_path)
    as_nobody(action)


def test_a_mounted_folder_is_left(tmp_path: Path, inside: IdMap) -> None:
    inner = tmp_path / "tree" / "a" / "mounted"
    inner.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(inner)], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        (inner / "file").write_text("kept")
        with pytest.raises(Conflict, match="mounted"):
            remove_tree(str(tmp_path / "tree"))
        assert (inner / "file").read_text() == "kept"
    finally:
        subprocess.run(["umount", str(inner)], check=True)
    remove_tree(str(tmp_path / "tree"))
    assert not (tmp_path / "tree").exists()


def test_a_folder_of_someone_else_is_denied(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to make one")
    (tmp_path / "tree" / "a").mkdir(parents=True)

    def action() -> None:
        with pytest.raises(Denied):
            remove_tree(str(tmp_path / "tree"))

    open_up(tmp_path)
    as_nobody(action)
    assert (tmp_path / "tree" / "a").is_dir()
