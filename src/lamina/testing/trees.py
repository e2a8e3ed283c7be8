"""Trees and layers in one line each, for tests.

    items = (
        folder("etc"),
        file("etc/passwd", b"root:x:0:0::/:/bin/sh\\n", mode=0o600),
        symlink("bin", "usr/bin"),
        whiteout("etc/group"),
    )
    write(path, *items)     # as a diff folder on disk
    tar(*items)             # as the bytes of a layer tar, made by Python's tarfile
    tree(path)              # what a folder on disk has: {"etc/passwd": Entry(...), ...}

Paths may be str or bytes. Everything belongs to 0:0 and is of the same time unless said otherwise.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from typing import TYPE_CHECKING, NamedTuple

from lamina.fs import walk
from lamina.fs.create import Builder
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    Path = str | bytes
    Xattrs = Mapping[str, bytes]

TIME = 1_600_000_000_000_000_000  # ns: 2020-09-13
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")  # cap_net_bind_service+ep


class Item(NamedTuple):
    """One entry with its content."""

    entry: Entry
    content: bytes = b""


def file(
    path: Path,
    content: bytes = b"",
    mode: int = 0o644,
    *,
    uid: int = 0,
    gid: int = 0,
    mtime: int = TIME,
    xattrs: Xattrs | None = None,
) -> Item:
    """A file."""
    digest = hashlib.sha256(content).hexdigest()
    name = os.fsencode(path)
    attributes = _xattrs(xattrs)
    entry = Entry(name, Kind.FILE, mode, uid, gid, len(content), mtime, xattrs=attributes, digest=digest)
    return Item(entry, content)


def folder(
    path: Path,
    mode: int = 0o755,
    *,
    uid: int = 0,
    gid: int = 0,
    mtime: int = TIME,
    xattrs: Xattrs | None = None,
    opaque: bool = False,
) -> Item:
    """A folder; `opaque` hides what the layers below have in it."""
    attributes = _xattrs(xattrs)
    return Item(
        Entry(os.fsencode(path), Kind.DIR, mode, uid, gid, mtime=mtime, xattrs=attributes, opaque=opaque)
    )


def symlink(path: Path, target: Path, *, uid: int = 0, gid: int = 0, mtime: int = TIME) -> Item:
    """A symbolic link."""
    entry = Entry(os.fsencode(path), Kind.SYMLINK, 0o777, uid, gid, mtime=mtime, link=os.fsencode(target))
    return Item(entry)


def hardlink(path: Path, to: Path) -> Item:
    """Another name of the file `to`, which comes before."""
    return Item(Entry(os.fsencode(path), Kind.HARDLINK, 0o644, mtime=TIME, link=os.fsencode(to)))


def char(path: Path, major: int, minor: int, mode: int = 0o666) -> Item:
    """A character device."""
    return Item(Entry(os.fsencode(path), Kind.CHAR, mode, mtime=TIME, rdev=(major, minor)))


def block(path: Path, major: int, minor: int, mode: int = 0o660) -> Item:
    """A block device."""
    return Item(Entry(os.fsencode(path), Kind.BLOCK, mode, mtime=TIME, rdev=(major, minor)))


def fifo(path: Path, mode: int = 0o644) -> Item:
    """A named pipe."""
    return Item(Entry(os.fsencode(path), Kind.FIFO, mode, mtime=TIME))


def socket(path: Path, mode: int = 0o755) -> Item:
    """A socket that nobody listens on."""
    return Item(Entry(os.fsencode(path), Kind.SOCKET, mode, mtime=TIME))


def whiteout(path: Path) -> Item:
    """The deletion of what the layers below have at a path."""
    return Item(Entry(os.fsencode(path), Kind.WHITEOUT))


def write(root: str, *items: Item, plain_whiteouts: bool = False) -> str:
    """Writes `items` below the folder `root` (made if missing), as a diff folder; returns `root`."""
    with Builder(root, plain_whiteouts=plain_whiteouts) as builder:
        for entry, content in items:
            builder.put(entry, content if entry.kind is Kind.FILE else None)
        builder.finish()
    return root


def tree(root: str) -> dict[str, Entry]:
    """What the folder `root` has, with digests, without the root itself; keys as os.fsdecode gives them."""
    return {os.fsdecode(entry.path): entry for entry in walk.scan(root, read=walk.sha256) if entry.path}


def kinds(root: str) -> dict[str, str]:
    """What the folder `root` has, as letters of Kind: {"etc": "d", "etc/passwd": "f"}."""
    return {os.fsdecode(entry.path): str(entry.kind) for entry in walk.scan(root) if entry.path}


def tar(*items: Item) -> bytes:
    """The items as an uncompressed layer tar in PAX format, in the given order; deletions as `.wh.` files."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as out:
        for entry, content in items:
            out.addfile(_member(entry), io.BytesIO(content))
            if entry.opaque:
                out.addfile(tarfile.TarInfo(os.fsdecode(entry.path) + "/.wh..wh..opq"))
    return sink.getvalue()


_TYPES = {
    Kind.FILE: tarfile.REGTYPE,
    Kind.DIR: tarfile.DIRTYPE,
    Kind.SYMLINK: tarfile.SYMTYPE,
    Kind.HARDLINK: tarfile.LNKTYPE,
    Kind.CHAR: tarfile.CHRTYPE,
    Kind.BLOCK: tarfile.BLKTYPE,
    Kind.FIFO: tarfile.FIFOTYPE,
    Kind.WHITEOUT: tarfile.REGTYPE,
}


def _member(entry: Entry) -> tarfile.TarInfo:
    path = os.fsdecode(entry.path)
    if entry.kind is Kind.WHITEOUT:
        parent, slash, name = path.rpartition("/")
        path = f"{parent}{slash}.wh.{name}"
    member = tarfile.TarInfo(path)
    member.type = _TYPES[entry.kind]
    member.mode, member.uid, member.gid = entry.mode, entry.uid, entry.gid
    member.mtime = entry.mtime // 1_000_000_000
    member.size = entry.size if entry.kind is Kind.FILE else 0
    member.linkname = os.fsdecode(entry.link)
    member.devmajor, member.devminor = entry.rdev
    member.pax_headers = {
        "SCHILY.xattr." + os.fsdecode(name): os.fsdecode(value) for name, value in entry.xattrs
    }
    return member


def _xattrs(values: Xattrs | None) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(sorted((os.fsencode(name), value) for name, value in (values or {}).items()))
