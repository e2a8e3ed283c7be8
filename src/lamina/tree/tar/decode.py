"""One 512-byte header block in: checked, and its fields as values (ustar, GNU, star, v7)."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from struct import Struct
from typing import NamedTuple
from zlib import adler32

from lamina.tree.tar.errors import TarError


class Form(Enum):
    """Which layout the end of the header has."""

    V7 = "v7"  # nothing after the link
    USTAR = "ustar"
    GNU = "gnu"


class Header(NamedTuple):
    """The fields of one block; the device and the sparse map are read when the type has them."""

    name: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int  # nanoseconds
    type: bytes
    link: bytes
    form: Form
    block: bytes


MAX_ID = (1 << 32) - 2  # the highest is "no such ID": chown would take it for "leave it"
MAX_SECONDS = (1 << 63) // 1_000_000_000 - 1  # nanoseconds fit in 64 bits
_unpack = Struct("100s24s12s12s8sc100s8s80s155s8s4s").unpack
_new = tuple.__new__


def decode(block: bytes) -> Header:
    """The fields of `block`. TarError when its checksum or a number in it is wrong."""
    name, owner, size, mtime, checksum, kind, link, magic, _, prefix, _, tail = _unpack(block)
    # The low half of Adler-32 is 1 + the sum of the bytes modulo 65521, which ASCII never reaches.
    total = (adler32(block) & 0xFFFF) - 1 if block.isascii() else sum(block)
    if total - sum(checksum) + 256 != octal(checksum):
        _check_signed(block, checksum)
    form = Form.V7
    if magic == b"ustar\x0000" or magic[:6] == b"ustar\0":
        form = Form.USTAR
    elif magic == b"ustar  \0":
        form = Form.GNU
    name = name.partition(b"\0")[0]
    if prefix[0] and form is Form.USTAR:
        name = (prefix[:131] if tail == b"tar\0" else prefix).partition(b"\0")[0] + b"/" + name
    link = link.partition(b"\0")[0] if link[0] else b""
    mode, uid, gid = _owner(owner)
    fields = (name, mode, uid, gid, octal(size), _time(mtime), kind, link, form, block)
    return _new(Header, fields)


def device(header: Header) -> tuple[int, int]:
    """Major and minor of a device entry. TarError when Linux has no such number."""
    if header.form is Form.V7:
        raise TarError("a device in a format that has no place for its number")
    major, minor = octal(header.block[329:337]), octal(header.block[337:345])
    if major > 0xFFF or minor > 0xFFFFF:
        raise TarError(f"device {major}, {minor} does not exist on Linux")
    return major, minor


@lru_cache(8192)
def octal(field: bytes) -> int:
    """A number that must not be negative: octal digits, or base-256. TarError for anything else."""
    if field[0] & 0x80:
        return _base256(field, negative=False)
    digits = field.strip(b" \0")
    if not digits:
        return 0
    try:
        if digits.isdigit():
            return int(digits, 8)
    except ValueError:  # an 8 or a 9
        pass
    raise TarError(f"{field!r} in the header is not an octal number")


@lru_cache(4096)
def _owner(fields: bytes) -> tuple[int, int, int]:
    mode, uid, gid = octal(fields[:8]), octal(fields[8:16]), octal(fields[16:])
    if uid > MAX_ID or gid > MAX_ID:
        raise TarError(f"the owner {uid}:{gid} is out of range")
    return mode, uid, gid


@lru_cache(4096)
def _time(field: bytes) -> int:
    seconds = _base256(field, negative=True) if field[0] & 0x80 else octal(field)
    if abs(seconds) > MAX_SECONDS:
        raise TarError(f"the time {seconds} is out of range")
    return seconds * 1_000_000_000


def _base256(field: bytes, *, negative: bool) -> int:
    value = int.from_bytes(field, "big", signed=True)
    if field[0] == 0x80:
        value = int.from_bytes(field[1:], "big")
    elif field[0] != 0xFF:
        raise TarError(f"{field!r} in the header is not a base-256 number")
    if value >= 1 << 63 or value < (-(1 << 63) if negative else 0):
        raise TarError(f"the number {value} in the header is out of range")
    return value


def _check_signed(block: bytes, checksum: bytes) -> None:
    """Some old writers add the bytes as signed numbers, and every reader takes that."""
    total = sum(byte - 256 if byte > 127 else byte for byte in block[:148] + block[156:]) + 256
    if total != octal(checksum):
        raise TarError("not a tar header: its checksum is wrong")


def is_header(block: bytes) -> bool:
    """Whether `block` is a tar header at all, however bad: it is whole and its checksum is right."""
    if len(block) != 512:
        return False
    checksum = block[148:156]
    try:
        if sum(block) - sum(checksum) + 256 != octal(checksum):
            _check_signed(block, checksum)
    except TarError:
        return False
    return True
