"""Helpers for tests of archives: write to bytes, read to a list, and headers made by hand."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from lamina.tree.tar.limits import DEFAULT, Limits
from lamina.tree.tar.read import Record, read_tar
from lamina.tree.tar.write import TarWriter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.tree.entry import Entry

END = bytes(1024)


def written(items: Iterable[tuple[Entry, bytes]]) -> bytes:
    """The archive of these entries and contents."""
    parts: list[bytes] = []
    writer = TarWriter(parts.append)
    for entry, content in items:
        writer.add(entry)
        writer.data(content)
    writer.finish()
    data = b"".join(parts)
    assert writer.written == len(data)
    return data


def read(data: bytes, *, limits: Limits = DEFAULT, need_end: bool = True) -> list[tuple[Entry, bytes]]:
    """All entries of an archive with their contents."""
    found = read_tar(io.BytesIO(data), limits=limits, need_end=need_end)
    return [(record.entry, record.content.read()) for record in found]


def names(data: bytes) -> list[bytes]:
    """The paths in an archive, contents skipped."""
    return [record.entry.path for record in read_tar(io.BytesIO(data))]


def one(data: bytes) -> Record:
    """The first entry of an archive that need not have an end."""
    return next(read_tar(io.BytesIO(data), need_end=False))


def header(
    name: bytes = b"f",
    *,
    mode: bytes = b"0000644\0",
    uid: bytes = b"0000000\0",
    gid: bytes = b"0000000\0",
    size: int | bytes = 0,
    mtime: bytes = b"00000000000\0",
    checksum: bytes | None = None,
    type_: bytes = b"0",
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    devices: bytes = b"0000000\x000000000\0",
    prefix: bytes = b"",
) -> bytes:
    """One header block as told, with a checksum that fits unless one is given."""
    digits = b"%011o\0" % size if isinstance(size, int) else size
    head = name.ljust(100, b"\0") + mode + uid + gid + digits.ljust(12, b"\0") + mtime
    tail = (
        type_
        + link.ljust(100, b"\0")
        + magic.ljust(8, b"\0")
        + bytes(64)
        + devices
        + prefix.ljust(167, b"\0")
    )
    total = sum(head + tail) + 8 * 32
    block = head + (b"%06o\0 " % total if checksum is None else checksum) + tail
    assert len(block) == 512
    return block


def padded(data: bytes) -> bytes:
    """`data` and zeros up to the next block."""
    return data + bytes(-len(data) % 512)


def pax(*records: tuple[bytes, bytes], type_: bytes = b"x") -> bytes:
    """A PAX header with these records."""
    return raw_pax(b"".join(record(key, value) for key, value in records), type_)


def raw_pax(data: bytes, type_: bytes = b"x") -> bytes:
    """A PAX header with this content."""
    return header(b"pax", size=len(data), type_=type_) + padded(data)


def record(key: bytes, value: bytes) -> bytes:
    """One record of a PAX header."""
    length = len(key) + len(value) + 3
    while len(b"%d %b=%b\n" % (length, key, value)) != length:
        length += 1
    return b"%d %b=%b\n" % (length, key, value)


def long_name(text: bytes, type_: bytes = b"L") -> bytes:
    """GNU's header for a long name or link."""
    data = text + b"\0"
    return header(b"././@LongLink", size=len(data), type_=type_, magic=b"ustar  ") + padded(data)
