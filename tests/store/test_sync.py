"""Syncing any tree, and measuring it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lamina.errors import Denied, NoSpace
from lamina.store.guard import guard
from lamina.store.sync import FEW, fsync_dir, sync_tree, tree_size

if TYPE_CHECKING:
    from pathlib import Path


def test_trees_small_and_big_with_all_kinds(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "file").write_text("x" * 10)
    (tmp_path / "a" / "shut").write_text("y" * 5)
    os.chmod(tmp_path / "a" / "shut", 0)
    os.link(tmp_path / "a" / "file", tmp_path / "a" / "b" / "same")
    os.symlink("/dev/zero", tmp_path / "link")
    os.mkfifo(tmp_path / "fifo")
    for count in (3, FEW + 1):
        sync_tree(str(tmp_path), count)
    fsync_dir(str(tmp_path))
    assert tree_size(str(tmp_path)) == 15
    assert tree_size(str(tmp_path / "missing")) == 0


def test_what_the_system_says_and_what_we_say() -> None:
    import errno

    for number, kind in ((errno.ENOSPC, NoSpace), (errno.EDQUOT, NoSpace), (errno.EACCES, Denied)):
        with pytest.raises(kind, match="/some/path"), guard("/some/path"):
            raise OSError(number, os.strerror(number))
    with pytest.raises(OSError, match="Interrupted"), guard("/some/path"):
        raise OSError(errno.EIO, "Interrupted")
