"""Builder: entries onto the disk, and back by a scan."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import Conflict, Denied, InvalidInput, LaminaError, NoSpace, Unsupported
from lamina.fs import walk, xattr
from lamina.fs.create import Builder
from lamina.store.files import remove_tree
from lamina.testing import isolate
from lamina.testing.trees import (
    CAPABILITY,
    TIME,
    Item,
    block,
    char,
    fifo,
    file,
    folder,
    hardlink,
    kinds,
    socket,
    symlink,
    tree,
    whiteout,
    write,
)
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UID, GID = os.geteuid(), os.getegid()


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(tmp_path / "root")


def test_what_is_put_is_there(root: str) -> None:
    items = (
        folder("d", 0o1750, uid=UID, gid=GID, xattrs={"user.d": b"x"}),
        file("d/f", b"content", 0o640, uid=UID, gid=GID, xattrs={"user.f": b"\0"}),
        Item(fifo("p").entry._replace(uid=UID, gid=GID)),
        symlink("s", "d/f", uid=UID, gid=GID),
    )
    write(root, *items)
    assert list(tree(root).values()) == [item.entry for item in items]


def test_put_returns_the_digest_of_any_form_of_content(root: str, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    wanted = hashlib.sha256(data).hexdigest()
    (tmp_path / "source").write_bytes(data)
    with Builder(root) as builder, open(tmp_path / "source", "rb") as source:
        pieces = (data[at : at + 100_000] for at in range(0, len(data), 100_000))
        for name, content in ((b"a", data), (b"b", source), (b"c", io.BytesIO(data)), (b"d", pieces)):
            assert builder.put(Entry(name, Kind.FILE, size=len(data)), content) == wanted
        assert builder.put(Entry(b"empty", Kind.FILE)) == hashlib.sha256().hexdigest()
        assert builder.put(Entry(b"dir", Kind.DIR)) == ""
        builder.finish()
    assert {entry.digest for path, entry in tree(root).items() if path in "abcd"} == {wanted}


def test_runs_of_zeros_become_holes(root: str) -> None:
    mib = 1024 * 1024
    chunks = [bytes(mib), b"x" * 10, bytes(mib), bytes(mib)]
    with Builder(root) as builder:
        digest = builder.put(Entry(b"a", Kind.FILE, size=3 * mib + 10), iter(chunks))
    info = os.stat(root + "/a")
    assert digest == hashlib.sha256(b"".join(chunks)).hexdigest() == tree(root)["a"].digest
    assert info.st_blocks * 512 < mib


def test_content_of_another_size_is_refused(root: str) -> None:
    for content in (b"12", b"1234", iter([b"1", b"234"]), io.BytesIO(b"")):
        with Builder(root) as builder, pytest.raises(InvalidInput, match="where 3 were announced"):
            builder.put(Entry(b"a", Kind.FILE, size=3), content)
        remove_tree(root)


def test_an_error_of_the_source_passes_through(root: str) -> None:
    def broken() -> Iterator[bytes]:
        yield b"1"
        raise Conflict("mine")

    with Builder(root) as builder, pytest.raises(Conflict, match="mine"):
        builder.put(Entry(b"a", Kind.FILE, size=3), broken())


def test_folders_on_the_way_are_made_plain(root: str) -> None:
    write(root, file("a/b/c"))
    entry = tree(root)["a/b"]
    assert (entry.mode, entry.mtime) == (0o755, 0)
    assert stat.S_IMODE(os.stat(root).st_mode) == 0o755


def test_a_folder_put_after_its_children_gets_its_metadata(root: str) -> None:
    write(root, file("a/b/c"), folder("a", 0o700, mtime=5), folder("", 0o711))
    assert (tree(root)["a"].mode, tree(root)["a"].mtime) == (0o700, 5)
    assert stat.S_IMODE(os.stat(root).st_mode) == 0o711


def test_shut_folders_can_be_filled(root: str) -> None:
    write(root, folder("shut", 0), file("shut/in/a", mode=0), folder("shut/in", 0o111))
    assert stat.S_IMODE(os.lstat(root + "/shut").st_mode) == 0
    os.chmod(root + "/shut", 0o700)


def test_the_umask_does_not_matter(root: str) -> None:
    before = os.umask(0o077)
    try:
        write(root, folder("d", 0o777), file("f", mode=0o666), fifo("p", 0o666))
    finally:
        os.umask(before)
    assert {entry.mode for entry in tree(root).values()} == {0o777, 0o666}


def test_the_last_of_two_entries_for_one_path_counts(root: str) -> None:
    write(
        root,
        file("a", b"1"),
        symlink("a", "x"),
        file("a", b"22", 0o600),
        symlink("b", "/etc/passwd"),
        file("b", b"mine"),
        folder("d", 0o700),
        folder("d", 0o711),
        whiteout("w"),
        file("w", b"back"),
    )
    entries = tree(root)
    assert (entries["a"].size, entries["a"].mode, entries["d"].mode) == (2, 0o600, 0o711)
    assert {path: str(entry.kind) for path, entry in entries.items()} == {
        "a": "f",
        "b": "f",
        "d": "d",
        "w": "f",
    }


@pytest.mark.parametrize(
    "items",
    [
        (file("a"), file("a/b")),
        (folder("a"), file("a")),
        (file("a/b"), symlink("a", "x")),
        (symlink("a", "/tmp"), file("a/b")),
        (symlink("a", "/tmp"), folder("a")),
        (file("f"), whiteout("f/x")),
    ],
)
def test_a_folder_and_something_else_at_one_path(root: str, items: tuple[Item, ...]) -> None:
    with pytest.raises(InvalidInput):
        write(root, *items)


@pytest.mark.parametrize("path", ["/a", "a/", "..", "a/../b", "./a", "a/.", "a//b", "a\0b"])
def test_paths_that_are_not_canonical(root: str, path: str) -> None:
    for item in (file(path), folder(path), symlink(path, "x"), whiteout(path)):
        with pytest.raises(InvalidInput, match="not a path inside a layer"):
            write(root, item)
    with pytest.raises(InvalidInput, match="not a path inside a layer"):
        write(root, file("ok"), hardlink("l", path))


def test_names_and_paths_of_any_length(root: str) -> None:
    deep = "/".join(["d" * 200] * 100)
    write(root, file(deep + "/end", b"x"), file("n" * 255), hardlink("short", deep + "/end"))
    assert tree(root)["short"].link == os.fsencode(deep + "/end")
    remove_tree(root)  # pytest's own cleaning up takes no path as long as this
    with pytest.raises(InvalidInput, match="too long"):
        write(root, file("n" * 256))


@given(st.dictionaries(st.binary(min_size=1, max_size=30), st.binary(max_size=20), max_size=8))
@settings(max_examples=60, deadline=None, database=None)
def test_any_name_that_a_file_can_have(contents: dict[bytes, bytes]) -> None:
    import tempfile

    names = {
        name: data for name, data in contents.items() if not {0, 47} & set(name) and name not in (b".", b"..")
    }
    with tempfile.TemporaryDirectory() as base:
        write(base + "/r", *[file(b"d/" + name, data) for name, data in names.items()])
        found = {entry.path[2:]: entry.size for entry in walk.scan(base + "/r") if entry.kind is Kind.FILE}
    assert found == {name: len(data) for name, data in names.items()}


def test_hard_links(root: str) -> None:
    write(root, file("d/a", b"x"), hardlink("b", "d/a"), hardlink("e/f/c", "b"), hardlink("d/a", "d/a"))
    assert os.stat(root + "/e/f/c").st_ino == os.stat(root + "/d/a").st_ino
    write(root, symlink("s", "/etc/passwd"), hardlink("t", "s"))
    assert os.readlink(root + "/t") == "/etc/passwd"


def test_hard_links_to_what_is_not_there(root: str) -> None:
    for to in ("missing", "missing/too", "gone", "f/x"):
        with pytest.raises(InvalidInput, match="which this layer does not have"):
            write(root, file("f"), whiteout("gone"), hardlink("l", to))
        remove_tree(root)
    with pytest.raises(InvalidInput, match="folder"):
        write(root, folder("d"), hardlink("l", "d"))
    with pytest.raises(InvalidInput):
        write(root, symlink("out", "/etc"), hardlink("l", "out/passwd"))


def test_a_link_on_the_way_is_never_followed(root: str, tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    for item in (file("l/x"), folder("l/x"), symlink("l/x", "y"), whiteout("l/x"), fifo("l/x")):
        with pytest.raises(InvalidInput):
            write(root, symlink("l", str(tmp_path / "victim")), item)
        remove_tree(root)
    assert os.listdir(tmp_path / "victim") == []


def test_whiteouts_mark_their_folder(root: str) -> None:
    write(root, whiteout("d/x"), file("e/y"), folder("d", 0o700, mtime=7))
    names = [os.listxattr(f"{root}/{name}") for name in ("d", "e")]
    assert names == [[xattr.overlay_prefix() + "origin"], []]
    assert (tree(root)["d"].mode, tree(root)["d"].mtime) == (0o700, 7)
    assert os.stat(root + "/d/x").st_rdev == 0


def test_a_whiteout_under_something_of_the_same_layer_changes_nothing(root: str) -> None:
    write(
        root, file("a", b"1"), whiteout("a"), symlink("l", "a"), whiteout("l"), whiteout("w"), whiteout("w")
    )
    assert kinds(root) == {"a": "f", "l": "l", "w": "w"}


def test_a_folder_and_its_whiteout_are_an_opaque_folder(root: str) -> None:
    write(
        root, whiteout("a"), folder("a"), folder("b"), whiteout("b"), whiteout("c"), file("c/x"), file("d/x")
    )
    assert [path for path, entry in tree(root).items() if entry.opaque] == ["a", "b", "c"]


def test_opaque_folders_hold_no_whiteouts(root: str) -> None:
    write(root, whiteout("d/x"), folder("d", opaque=True), file("d/y"))
    assert kinds(root) == {"d": "d", "d/y": "f"}


def test_devices(root: str) -> None:
    with pytest.raises(InvalidInput, match="deletion"):
        write(root, char("c", 0, 0))
    with pytest.raises(InvalidInput, match="no such device"):
        write(root, char("c", 1 << 20, 0))
    if os.geteuid() == 0:
        write(root, char("null", 1, 3), block("disk", 259, 1_000_000), socket("sock"))
        entries = tree(root)
        assert (entries["null"].rdev, entries["disk"].rdev) == ((1, 3), (259, 1_000_000))
    else:
        with pytest.raises(Denied, match=r"dev/null is a device node, and making it needs root"):
            write(root, char("dev/null", 1, 3))


def test_owners_as_root(root: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: other owners")
    setuid = file("s", b"x", 0o4755, uid=5, gid=6, xattrs={"security.capability": CAPABILITY})
    write(root, setuid, symlink("l", "s", uid=7, gid=8), folder("d", uid=2**32 - 2))
    entries = tree(root)
    assert entries["s"] == setuid.entry
    assert (entries["l"].uid, entries["l"].gid, entries["d"].uid) == (7, 8, 2**32 - 2)


@pytest.mark.parametrize("ids", ["many", "one"])
def test_owners_that_do_not_exist_here_are_left_out(ids: isolate.Ids) -> None:
    def check(base: str) -> None:
        write(base + "/r", file("a", b"", 0o4755, uid=70_000, gid=70_000), file("b", uid=70_000, gid=5))
        entries = tree(base + "/r")
        assert (entries["a"].uid, entries["a"].gid, entries["a"].mode) == (0, 0, 0o4755)
        assert (entries["b"].uid, entries["b"].gid) == (0, 5 if ids == "many" else 0)

    isolate.run(check, ids)


@pytest.mark.parametrize("uid", [-1, -2, 2**32 - 1, 2**32, 2**64])
def test_owners_that_cannot_exist_do_not_become_root(root: str, uid: int) -> None:
    with pytest.raises(InvalidInput, match="no such owner"):
        write(root, file("a", uid=uid))


def test_impossible_times(root: str) -> None:
    for mtime in (2**63, -(2**63) - 1):
        with pytest.raises(InvalidInput, match="impossible time"):
            write(root, file("a", mtime=mtime))
    write(root, file("a", mtime=-1), symlink("l", "x", mtime=TIME + 1))
    assert (tree(root)["a"].mtime, tree(root)["l"].mtime) == (-1, TIME + 1)


def test_attributes_that_are_not_the_image_s_are_not_set(root: str) -> None:
    foreign = {
        "user.overlay.opaque": b"y",
        "trusted.overlay.opaque": b"y",
        "trusted.x": b"1",
        "user.mine": b"1",
    }
    write(root, folder("d", xattrs=foreign))
    assert os.listxattr(root + "/d") == ["user.mine"]


def test_attributes_that_do_not_fit(root: str) -> None:
    with pytest.raises(Unsupported, match="70006 bytes"):  # Linux itself takes no more than 64 KiB
        write(root, file("a", xattrs={"user.a": b"x" * 70_000}))
    huge = {f"user.{number}": b"x" * 60_000 for number in range(20)}
    try:
        write(root, file("b", xattrs=huge))
    except (Unsupported, NoSpace):
        return  # ext4, for one
    assert len(tree(root)["b"].xattrs) == len(huge)


def test_errors_name_the_path_in_the_layer(root: str) -> None:
    with pytest.raises(LaminaError, match=r"^dir/\\xff\\n: "):
        write(root, file("x"), file(b"dir/\xff\n", uid=2**40))


def test_copy_and_adopt(root: str, tmp_path: Path) -> None:
    source = write(str(tmp_path / "source"), file("a", b"copied"), file("b", b"moved", 0o600))
    entries = tree(source)
    with Builder(root) as builder:
        fd = os.open(source + "/a", os.O_RDONLY)
        builder.copy(entries["a"]._replace(path=b"d/a", mode=0o751), fd)
        os.close(fd)
        fd = os.open(source, os.O_RDONLY)
        builder.adopt(entries["b"], fd)
        os.close(fd)
        builder.finish()
    made = tree(root)
    assert made["d/a"] == entries["a"]._replace(path=b"d/a", mode=0o751)
    assert made["b"] == entries["b"]
    assert list(tree(source)) == ["a"]


def test_a_full_disk_is_no_space(tmp_path: Path) -> None:
    def check(base: str) -> None:
        from lamina.mount import apply
        from lamina.mount.types import Mount

        os.mkdir(base + "/small")
        apply.apply(Mount("tmpfs", base + "/small", "tmpfs", options="size=1m"))
        with pytest.raises(NoSpace, match="big: No space left"):
            write(base + "/small/r", file("big", os.urandom(2_000_000)))

    isolate.run(check, "one")


def test_an_unfinished_builder_leaks_no_descriptors(root: str) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with Builder(root) as builder:
        builder.put(file("a/b/c/d").entry, b"")
        builder.put(hardlink("e", "a/b/c/d").entry)
    assert len(os.listdir("/proc/self/fd")) == before
