"""The file rows of cachedb, between Entry and the columns of the table `files`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

COLUMNS = (
    "f.parent, f.name, f.kind, f.mode, f.uid, f.gid, f.size, f.mtime, f.link, f.rdev, "
    "f.xattrs, f.digest, f.opaque"
)
PARENT, NAME, KIND, OPAQUE = 0, 1, 2, 12  # positions in COLUMNS
DIFF_ID = 13  # of diffs, where a query adds it after COLUMNS
INSERT = "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

Row = tuple[Any, ...]

_KINDS = {str(kind): kind for kind in Kind}
_NO_DEVICE = (0, 0)


def rows_of(number: int, entries: Iterable[Entry]) -> Iterator[Row]:
    """The columns of each entry, for the diff with this number."""
    fromhex = bytes.fromhex
    for path, kind, mode, uid, gid, size, mtime, link, rdev, xattrs, digest, opaque in entries:
        letter = kind._value_  # a plain str: SQLite binds an enum much more slowly
        parent, _, name = path.rpartition(b"/")
        device = rdev[0] << 32 | rdev[1] if rdev != _NO_DEVICE else 0
        packed = pack_xattrs(xattrs) if xattrs else b""
        raw = fromhex(digest) if digest else b""
        yield (
            number,
            parent,
            name,
            letter,
            mode,
            uid,
            gid,
            size,
            mtime,
            link,
            device,
            packed,
            raw,
            opaque,
        )


def entry_of(row: Row) -> Entry:
    """The entry of a row that begins with COLUMNS."""
    parent, name, kind, mode, uid, gid, size, mtime, link, device, packed, raw, opaque = row[:13]
    return Entry(
        parent + b"/" + name if parent else name,
        _KINDS[kind],
        mode,
        uid,
        gid,
        size,
        mtime,
        link,
        (device >> 32, device & 0xFFFFFFFF) if device else _NO_DEVICE,
        unpack_xattrs(packed) if packed else (),
        raw.hex(),
        opaque != 0,
    )


def joined(parent: bytes, name: bytes) -> bytes:
    """The path whose parent and name columns these are."""
    return parent + b"/" + name if parent else name


def absolute(path: bytes) -> str:
    """A path as answers have it: from `/`, and os.fsencode gives its bytes."""
    return "/" + os.fsdecode(path)


def key_of(path: bytes) -> tuple[bytes, bytes]:
    """The parent and name columns of a path."""
    parent, _, name = path.rpartition(b"/")
    return parent, name


def ancestors(path: bytes) -> list[bytes]:
    """The folders that a path lies in, the root first; none for the root itself."""
    if not path:
        return []
    found, end = [b""], path.find(b"/")
    while end >= 0:
        found.append(path[:end])
        end = path.find(b"/", end + 1)
    return found


def pack_xattrs(xattrs: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Names and values, each after its length in 4 bytes."""
    out = bytearray()
    for pair in xattrs:
        for part in pair:
            out += len(part).to_bytes(4, "little")
            out += part
    return bytes(out)


def unpack_xattrs(data: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """What pack_xattrs was given."""
    parts: list[bytes] = []
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "little")
        parts.append(data[at + 4 : end])
        at = end
    return tuple(zip(parts[::2], parts[1::2], strict=True))
