"""walk: what a scan reports, and what it does not follow."""

from __future__ import annotations

import hashlib
import os
import socket
from typing import TYPE_CHECKING

import pytest

from lamina.errors import InvalidInput, NotFound
from lamina.fs import walk
from lamina.testing.trees import (
    TIME,
    fifo,
    file,
    folder,
    hardlink,
    symlink,
    tree,
    whiteout,
    write,
)
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from pathlib import Path


def test_entries_come_sorted_by_path_bytes_and_the_root_first(tmp_path: Path) -> None:
    root = write(str(tmp_path / "r"), file("a/b"), file("a-b"), file("a0"), file(b"\xff"), file("B"))
    assert [entry.path for entry in walk.scan(root)] == [b"", b"B", b"a", b"a-b", b"a/b", b"a0", b"\xff"]


def test_an_entry_has_all_that_the_disk_knows(tmp_path: Path) -> None:
    root = write(str(tmp_path / "r"), file("f", b"hello", 0o4751, mtime=TIME + 7, xattrs={"user.a": b"1"}))
    wanted = Entry(
        b"f", Kind.FILE, 0o4751, os.geteuid(), os.getegid(), 5, TIME + 7, xattrs=((b"user.a", b"1"),)
    )
    assert list(walk.scan(root))[1] == wanted


def test_links_are_not_followed(tmp_path: Path) -> None:
    root = write(str(tmp_path / "r"), symlink("to-folder", "/etc"), symlink("nowhere", b"\xff"))
    assert [(entry.kind, entry.link) for entry in walk.scan(root)][1:] == [
        (Kind.SYMLINK, b"\xff"),
        (Kind.SYMLINK, b"/etc"),
    ]


def test_hard_links_name_the_first_path(tmp_path: Path) -> None:
    root = write(str(tmp_path / "r"), file("z", b"12"), hardlink("m/x", "z"), hardlink("b", "z"))
    first, second, third = (entry for entry in walk.scan(root, read=walk.sha256) if entry.kind in "fh")
    assert (first.path, first.kind) == (b"b", Kind.FILE)
    assert (second.path, second.kind, second.link) == (b"m/x", Kind.HARDLINK, b"b")
    assert third == second._replace(path=b"z")
    assert third.digest == hashlib.sha256(b"12").hexdigest()


def test_a_file_linked_from_outside_is_a_file(tmp_path: Path) -> None:
    root = write(str(tmp_path / "r"), file("a", b"1"))
    os.link(root + "/a", tmp_path / "other")
    assert tree(root)["a"].kind is Kind.FILE


@pytest.mark.parametrize("plain", [False, True])
def test_whiteouts_of_both_forms_and_opaque_folders(tmp_path: Path, plain: bool) -> None:
    items = (whiteout("d/gone"), folder("o", opaque=True), file("o/x"))
    root = write(str(tmp_path / "r"), *items, plain_whiteouts=plain)
    entries = tree(root)
    assert entries["d/gone"] == Entry(b"d/gone", Kind.WHITEOUT)
    assert entries["o"].opaque
    assert not entries["d"].opaque
    assert not any(entry.xattrs for entry in entries.values())


def test_pipes_and_sockets_are_reported_and_not_opened(tmp_path: Path) -> None:
    root = write(str(tmp_path / "r"), fifo("pipe"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(root + "/sock")
    kinds = {entry.path: entry.kind for entry in walk.scan(root, read=walk.sha256)}
    assert kinds == {b"": Kind.DIR, b"pipe": Kind.FIFO, b"sock": Kind.SOCKET}


def test_read_gets_each_file_once_in_order(tmp_path: Path) -> None:
    root = write(str(tmp_path / "r"), file("b", b"2"), file("a", b"1"), hardlink("c", "a"), symlink("l", "a"))
    got = []

    def read(entry: Entry, fd: int) -> str:
        got.append((entry.path, os.read(fd, 10)))
        return "d" + entry.path.decode()

    digests = {entry.path: entry.digest for entry in walk.scan(root, read=read)}
    assert got == [(b"a", b"1"), (b"b", b"2")]
    assert digests == {b"": "", b"a": "da", b"b": "db", b"c": "da", b"l": ""}


def test_what_vanishes_meanwhile_is_left_out(tmp_path: Path) -> None:
    root = write(str(tmp_path / "r"), file("a"), file("b"), file("d/x"), symlink("l", "a"))
    entries = walk.scan(root, read=walk.sha256)
    assert next(entries).path == b""
    for name in ("b", "d/x", "l"):
        os.unlink(f"{root}/{name}")
    os.rmdir(root + "/d")
    assert [entry.path for entry in entries] == [b"a", b"d"]


def test_a_folder_that_became_a_link_is_not_entered(tmp_path: Path) -> None:
    root = write(str(tmp_path / "r"), file("a"), file("d/x", b"inside"))
    secret = write(str(tmp_path / "outside"), file("x", b"secret"))
    contents = {}

    def read(entry: Entry, fd: int) -> str:
        contents[entry.path] = os.read(fd, 10)
        return ""

    entries = walk.scan(root, read=read)
    next(entries)
    os.rename(root + "/d", root + "/e")
    os.symlink(secret, root + "/d")
    try:
        list(entries)
    except InvalidInput:
        pass
    assert b"secret" not in contents.values()


def test_scan_stat_has_what_the_disk_said(tmp_path: Path) -> None:
    root = write(str(tmp_path / "r"), file("a", b"1"))
    (_, (entry, info)) = walk.scan_stat(root)
    assert (entry.path, info.st_ino) == (b"a", os.stat(root + "/a").st_ino)


def test_root_entry(tmp_path: Path) -> None:
    root = write(str(tmp_path / "r"), folder("", 0o711, xattrs={"user.r": b"1"}), file("a"))
    assert walk.root_entry(root) == next(walk.scan(root))
    assert walk.root_entry(root).mode == 0o711


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="missing"):
        list(walk.scan(str(tmp_path / "missing")))
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput):
        list(walk.scan(str(tmp_path / "file")))
