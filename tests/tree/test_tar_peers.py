"""The same archives, read and written by Python's tarfile and by GNU tar."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.tree.entry import Entry, Kind
from tests.tree.strategies import SECOND, entries
from tests.tree.tars import read, written

if TYPE_CHECKING:
    from pathlib import Path

TYPES = {
    Kind.FILE: tarfile.REGTYPE,
    Kind.DIR: tarfile.DIRTYPE,
    Kind.SYMLINK: tarfile.SYMTYPE,
    Kind.HARDLINK: tarfile.LNKTYPE,
    Kind.CHAR: tarfile.CHRTYPE,
    Kind.BLOCK: tarfile.BLKTYPE,
    Kind.FIFO: tarfile.FIFOTYPE,
}
KINDS = {value: key for key, value in TYPES.items()}
needs_tar = pytest.mark.skipif(shutil.which("tar") is None, reason="GNU tar is not installed")


def text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def of_member(member: tarfile.TarInfo) -> Entry:
    """What tarfile understood, as an Entry without xattrs."""
    kind = KINDS[member.type]
    return Entry(
        member.name.encode("utf-8", "surrogateescape"),
        kind,
        member.mode,
        member.uid,
        member.gid,
        member.size if kind is Kind.FILE else 0,
        int(member.mtime) * SECOND,
        member.linkname.encode("utf-8", "surrogateescape"),
        (member.devmajor, member.devminor) if kind in (Kind.CHAR, Kind.BLOCK) else (0, 0),
    )


@settings(max_examples=200)
@given(st.lists(entries(), max_size=4, unique_by=lambda entry: entry.path))
def test_tarfile_reads_what_we_write(found: list[Entry]) -> None:
    with tarfile.open(fileobj=io.BytesIO(written([(entry, b"") for entry in found]))) as archive:
        members = archive.getmembers()
    assert [of_member(member) for member in members] == [entry._replace(xattrs=()) for entry in found]
    for member, entry in zip(members, found, strict=True):
        for name, value in entry.xattrs:
            key = "SCHILY.xattr." + text(name.replace(b"%", b"%25").replace(b"=", b"%3D"))
            assert member.pax_headers[key].encode("utf-8", "surrogateescape") == value


@settings(max_examples=200)
@given(
    st.lists(st.tuples(entries(), st.binary(max_size=600)), max_size=4),
    st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
)
def test_we_read_what_tarfile_writes(items: list[tuple[Entry, bytes]], form: int) -> None:
    out = io.BytesIO()
    expected = []
    with tarfile.open(
        fileobj=out, mode="w", format=form, encoding="utf-8", errors="surrogateescape"
    ) as archive:
        for entry, content in items:
            if form == tarfile.GNU_FORMAT and entry.link.endswith(b"/"):
                continue
            content = content if entry.kind is Kind.FILE else b""
            member = tarfile.TarInfo(text(entry.path))
            member.type, member.mode, member.uid, member.gid = (
                TYPES[entry.kind],
                entry.mode,
                entry.uid,
                entry.gid,
            )
            member.size, member.mtime, member.linkname = len(content), entry.mtime // SECOND, text(entry.link)
            member.devmajor, member.devminor = entry.rdev
            try:
                archive.addfile(member, io.BytesIO(content))
            except UnicodeError:
                continue  # it writes PAX headers in strict UTF-8
            expected.append((entry._replace(size=len(content), xattrs=()), content))
    assert read(out.getvalue()) == expected


def plant(root: Path) -> dict[bytes, bytes]:
    """Files with all the names that are hard; returns the regular ones with their content."""
    base = os.fsencode(root)
    files = {
        b"plain": b"x",
        b"empty": b"",
        b"sp ace": b"a" * 512,
        b"new\nline": b"b" * 513,
        b"\xff\xfe": b"c" * 100_000,
        "naïve".encode(): b"d",
        b"n" * 255: b"e",
        b"-dash": b"f",
        b"d/" + b"deep/" * 30 + b"f": b"g",
        b"d/" + b"m" * 100: b"h",
        b"d/" + b"m" * 98: b"i",
    }
    for name, content in files.items():
        path = base + b"/" + name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        os.utime(path, ns=(0, 1_500_000_000_000_000_000))
    os.utime(base + b"/plain", ns=(0, -5 * SECOND))
    os.chmod(base + b"/plain", 0o6755)
    os.symlink(b"s" * 300, base + b"/long link")
    os.symlink(b"/abs/\xff", base + b"/link")
    os.link(base + b"/plain", base + b"/zz hard")
    os.mkfifo(base + b"/fifo", 0o600)
    return files


def of_disk(root: bytes, path: bytes) -> tuple[int, int, int, int]:
    info = os.lstat(root + b"/" + path)
    mode = 0 if stat.S_ISLNK(info.st_mode) else info.st_mode
    return mode, info.st_uid, info.st_gid, info.st_mtime_ns // SECOND


@pytest.mark.peers
@needs_tar
@pytest.mark.parametrize("form", ["gnu", "posix", "oldgnu", "ustar", "v7"])
def test_we_read_what_gnu_tar_writes(tmp_path: Path, form: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    files = plant(root)
    # ustar and v7 cannot hold all of it: tar says so, leaves these out, and ends with 2.
    done = subprocess.run(
        ["tar", f"--format={form}", "--sort=name", "-C", str(root), "-cf", "-", "."],
        check=form not in ("ustar", "v7"),
        capture_output=True,
    )
    found = read(done.stdout)
    assert len(found) > 15 or form in ("ustar", "v7")
    for entry, content in found:
        mode, uid, gid, mtime = of_disk(os.fsencode(root), entry.path)
        if entry.kind is not Kind.SYMLINK:
            assert entry.mode == mode & 0o7777
        assert (entry.uid, entry.gid, entry.mtime // SECOND) == (uid, gid, mtime), entry
        if entry.kind is Kind.FILE and entry.path not in (b"plain", b"zz hard"):
            assert files[entry.path] == content
        if entry.kind is Kind.SYMLINK and form not in ("ustar", "v7"):  # which cut long ones
            assert os.readlink(os.fsencode(root) + b"/" + entry.path) == entry.link


@pytest.mark.peers
@needs_tar
def test_gnu_tar_unpacks_what_we_write(tmp_path: Path) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    root.mkdir()
    out.mkdir()
    plant(root)
    done = subprocess.run(
        ["tar", "--format=posix", "--sort=name", "-C", str(root), "-cf", "-", "."],
        check=True,
        stdout=subprocess.PIPE,
    )
    items = sorted(read(done.stdout), key=lambda item: item[0].path)
    archive = written(items)
    subprocess.run(["tar", "-C", str(out), "-xpf", "-"], input=archive, check=True)
    for entry, _ in items:
        source, target = os.fsencode(root), os.fsencode(out)
        if entry.path:
            assert of_disk(source, entry.path) == of_disk(target, entry.path), entry
        if entry.kind is Kind.FILE:
            with open(source + b"/" + entry.path, "rb") as a, open(target + b"/" + entry.path, "rb") as b:
                assert a.read() == b.read()
        if entry.kind is Kind.SYMLINK:
            assert os.readlink(source + b"/" + entry.path) == os.readlink(target + b"/" + entry.path)
    assert os.stat(out / "plain").st_nlink == 2
    listed = subprocess.run(["tar", "-tf", "-"], input=archive, check=True, stdout=subprocess.PIPE).stdout
    assert listed.count(b"\n") == len(items)


@pytest.mark.peers
@needs_tar
def test_extended_attributes_go_both_ways(tmp_path: Path) -> None:
    source, out = tmp_path / "f", tmp_path / "out"
    source.write_bytes(b"x")
    out.mkdir()
    try:
        os.setxattr(source, b"user.a=b%", b"1\0\n2")
        os.setxattr(source, b"user.z", b"z")
    except OSError as e:
        pytest.skip(f"this file system has no user xattrs: {e}")
    options = ["--xattrs", "--xattrs-include=*", "-C"]
    made = subprocess.run(
        ["tar", "--format=posix", *options, str(tmp_path), "-cf", "-", "f"],
        check=True,
        stdout=subprocess.PIPE,
    )
    ((entry, content),) = read(made.stdout)
    assert entry.xattrs == ((b"user.a=b%", b"1\0\n2"), (b"user.z", b"z"))
    subprocess.run(["tar", *options, str(out), "-xf", "-"], input=written([(entry, content)]), check=True)
    assert {name: os.getxattr(out / "f", name) for name in os.listxattr(out / "f")} == {
        text(name): value for name, value in entry.xattrs
    }
