"""The build context alone: listing, digests, the stat cache."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from lamina.build.context import Context
from lamina.build.selecting import select
from lamina.db.contexts import Stat
from lamina.dockerfile import IgnoreFile
from lamina.errors import InvalidInput, NotFound
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in {"a": "1", "d/b": "22", "d/e/c": "333"}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return tmp_path


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def known(path: Path, digest: str, **changes: int) -> Stat:
    found = path.stat()
    stat = Stat(
        found.st_size,
        found.st_ino,
        found.st_mtime_ns,
        found.st_ctime_ns,
        found.st_mode,
        found.st_uid,
        found.st_gid,
        digest,
    )
    return stat._replace(**changes)  # type: ignore[arg-type]


def entry(context: Context, path: bytes) -> Entry:
    found = context.get(path)
    assert found is not None
    return found


def test_entries_belong_to_root(folder: Path) -> None:
    context = Context(str(folder), None, {})
    found = entry(context, b"d/b")
    assert (found.kind, found.uid, found.gid, found.size) == (Kind.FILE, 0, 0, 2)
    assert found.mtime == 1_000_000_000 * 10**9
    assert [child.path for child in context.children(b"d")] == [b"d/b", b"d/e"]
    assert context.get(b"") == Entry(b"", Kind.DIR)
    assert context.get(b"none") is None
    assert context.get(b"a/below-a-file") is None


def test_the_stat_cache_is_believed(folder: Path) -> None:
    stats = {b"a": known(folder / "a", "not the real one")}
    context = Context(str(folder), None, stats)
    assert context.digest(entry(context, b"a")) == "not the real one"
    assert context.digest(entry(context, b"d/b")) == sha("22")


@pytest.mark.parametrize("field", ["size", "inode", "mtime_ns", "ctime_ns"])
def test_what_makes_a_file_be_read_again(folder: Path, field: str) -> None:
    stats = {b"a": known(folder / "a", "old", **{field: 7})}
    context = Context(str(folder), None, stats)
    assert context.digest(entry(context, b"a")) == sha("1")


def test_news(folder: Path) -> None:
    stats = {
        b"gone": known(folder / "a", "x"),
        b"d/gone": known(folder / "a", "x"),
        b"z/gone": known(folder / "a", "x"),
    }
    context = Context(str(folder), None, stats)
    context._started += 10**12  # as if these files were old
    context.digest(entry(context, b"a"))
    changed, gone = context.news()
    assert changed == {b"a": known(folder / "a", sha("1"))}
    assert gone == [b"gone"], "only of folders that were listed"


def test_a_file_that_was_just_written_is_not_remembered(folder: Path) -> None:
    """It could change again within the same tick of the file system's clock."""
    (folder / "new").write_text("x")
    context = Context(str(folder), None, {})
    context.digest(entry(context, b"new"))
    assert context.news() == ({}, [])


def test_a_file_that_changes_meanwhile(folder: Path) -> None:
    context = Context(str(folder), None, {})
    found = entry(context, b"a")
    (folder / "a").write_text("longer than it was")
    with pytest.raises(InvalidInput, match="changed while the build read it"):
        context.digest(found)


def test_a_link_in_place_of_a_file_is_not_followed(folder: Path) -> None:
    context = Context(str(folder), None, {})
    found = entry(context, b"d/b")
    (folder / "d/b").unlink()
    os.symlink("/etc/passwd", folder / "d/b")
    with pytest.raises((InvalidInput, NotFound)):
        context.open(found)


def test_only_what_is_asked_for_is_listed(folder: Path) -> None:
    (folder / "locked").mkdir()
    context = Context(str(folder), None, {})
    context.get(b"d/b")
    assert set(context._folders) == {b"", b"d"}


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("a", [b"a"]),
        ("d/b", [b"d/b"]),
        ("*", [b"a", b"d"]),
        ("d/*", [b"d/b", b"d/e"]),
        ("*/b", [b"d/b"]),
        ("*/*/c", [b"d/e/c"]),
        ("nothing*", []),
        ("nothing/*", []),
        ("[ab]", [b"a"]),
        ("", [b""]),
    ],
)
def test_select(folder: Path, pattern: str, paths: list[bytes]) -> None:
    assert [picked.path for picked in select(Context(str(folder), None, {}), pattern)] == paths


def test_select_lists_a_folder_with_all_below(folder: Path) -> None:
    (picked,) = select(Context(str(folder), None, {}), "d")
    assert [(e.path, e.digest) for e in picked.entries] == [
        (b"", ""),
        (b"b", sha("22")),
        (b"e", ""),
        (b"e/c", sha("333")),
    ]


def test_select_of_a_loop(folder: Path) -> None:
    os.symlink("loop", folder / "loop")
    with pytest.raises(InvalidInput, match="symbolic links"):
        select(Context(str(folder), None, {}), "loop")


def test_ignored(folder: Path) -> None:
    context = Context(str(folder), IgnoreFile.parse(b"d\n!d/e/c\n"), {})
    assert [child.path for child in context.children(b"")] == [b"a", b"d"]
    assert [child.path for child in context.children(b"d")] == [b"d/e"]
    assert context.is_ignored(b"d/b")
    assert not context.is_ignored(b"d/none")
    assert not context.is_ignored(b"a")


def test_names_that_are_not_utf8(folder: Path) -> None:
    with open(os.fsencode(folder) + b"/\xff\xfe", "wb") as file:
        file.write(b"x")
    context = Context(str(folder), IgnoreFile.parse(b"nothing\n"), {})
    assert entry(context, b"\xff\xfe").size == 1
    assert [picked.path for picked in select(context, "\udcff*")] == [b"\xff\xfe"]
