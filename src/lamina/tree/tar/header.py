"""Tar headers out: one Entry to its 512-byte blocks, in one form only (POSIX.1-2017 pax, ustar).

The form is plain ustar when every field fits in ASCII, else ustar after a PAX header with just the
records that are needed, sorted by key. Equal entries give equal bytes, everywhere and always.
"""

from __future__ import annotations

from functools import lru_cache
from zlib import adler32

from lamina.tree import whiteout
from lamina.tree.entry import Entry, Kind
from lamina.tree.tar.errors import TarError, shown

BLOCK = 512
END = bytes(2 * BLOCK)
SECOND = 1_000_000_000  # nanoseconds

_TYPES = {
    Kind.FILE: b"0",
    Kind.HARDLINK: b"1",
    Kind.SYMLINK: b"2",
    Kind.CHAR: b"3",
    Kind.BLOCK: b"4",
    Kind.DIR: b"5",
    Kind.FIFO: b"6",
    Kind.WHITEOUT: b"0",
}
_MAGIC = b"ustar\x0000" + bytes(64)  # then no names of user and group
_NO_DEVICE = b"0000000\x000000000\0"
_PAX_NAME = b"PaxHeaders.0/entry"  # the same for all: it must depend on nothing
_MAX_ID = 0o7777777
_MAX_LONG = 0o77777777777
_MAX_PREFIX, _MAX_NAME = 155, 100
_XATTR = b"SCHILY.xattr."


def encode(entry: Entry, name: bytes, *, exact: bool = False) -> bytes:
    """The header of `entry` under the tar name `name`, with its PAX header if one is needed.

    Times are cut to whole seconds, unless they are to be `exact`. The content of a FILE follows, padded to
    BLOCK. TarError for a SOCKET, which tar has no type for.
    """
    _, kind, mode, uid, gid, size, mtime, link, rdev, xattrs, _, _ = entry
    type_ = _TYPES.get(kind)
    if type_ is None:
        raise TarError(f"{shown(name)}: a socket cannot be put into an archive")
    if kind is not Kind.FILE:
        size = 0
        if kind is Kind.WHITEOUT:
            mode = uid = gid = mtime = 0
        if kind is Kind.WHITEOUT or kind is Kind.HARDLINK:
            xattrs = ()  # those of a hard link are with the file that it names
    records: dict[bytes, bytes] = {}
    prefix = b""
    if len(name) > _MAX_NAME or not name.isascii():
        prefix, name = _long_name(records, name)
    if kind is not Kind.SYMLINK and kind is not Kind.HARDLINK:
        link = b""
    elif len(link) > _MAX_NAME or not link.isascii():
        records[b"linkpath"] = link
        link = _ascii(link)
    seconds = mtime // SECOND
    if not (uid <= _MAX_ID and gid <= _MAX_ID and 0 <= seconds <= _MAX_LONG and size <= _MAX_LONG):
        uid, gid, seconds, size = _overflow(records, uid, gid, seconds, size)
    if exact and mtime % SECOND:
        records[b"mtime"], seconds = _decimal(mtime), max(seconds, 0)
    for key, value in xattrs:
        records[_XATTR + _xattr_key(key)] = value
    device = _device(rdev, name) if kind is Kind.CHAR or kind is Kind.BLOCK else _NO_DEVICE
    head = _ustar(name, prefix, _numbers(mode, uid, gid, size, seconds), type_, link, device)
    return _pax(records) + head if records else head


def tar_name(entry: Entry) -> bytes:
    """The name that `entry` has in a layer's tar: folders end in `/`, whiteouts are `.wh.NAME`."""
    path, kind = entry[0], entry[1]
    if kind is Kind.DIR:
        return path + b"/" if path else b"./"
    if kind is Kind.WHITEOUT:
        return whiteout.name_of(path)
    return path


def padding(size: int) -> int:
    """How many zero bytes follow a content of `size` bytes."""
    return -size % BLOCK


@lru_cache(4096)
def _owner(mode: int, uid: int, gid: int) -> bytes:
    return b"%07o\0%07o\0%07o\0" % (mode & 0o7777, uid, gid)


def _numbers(mode: int, uid: int, gid: int, size: int, seconds: int) -> bytes:
    return _owner(mode, uid, gid) + b"%011o\0%011o\0" % (size, seconds)


def _ustar(
    name: bytes, prefix: bytes, numbers: bytes, kind: bytes, link: bytes, device: bytes = _NO_DEVICE
) -> bytes:
    """One block. The numbers are the fields from mode to mtime."""
    head = name.ljust(100, b"\0") + numbers
    tail = kind + link.ljust(100, b"\0") + _MAGIC + device + prefix.ljust(167, b"\0")
    block = head + b"        " + tail
    # The low half of Adler-32 is 1 + the sum of the bytes modulo 65521, which ASCII never reaches.
    total = (adler32(block) & 0xFFFF) - 1 if block.isascii() else sum(block)
    return head + b"%06o\0 " % total + tail


def _pax(records: dict[bytes, bytes]) -> bytes:
    data = b"".join([_record(key, records[key]) for key in sorted(records)])
    head = _ustar(_PAX_NAME, b"", _numbers(0o644, 0, 0, len(data), 0), b"x", b"")
    return head + data + bytes(padding(len(data)))


def _record(key: bytes, value: bytes) -> bytes:
    """`LENGTH key=value` and a newline, where LENGTH counts itself."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def _overflow(
    records: dict[bytes, bytes], uid: int, gid: int, seconds: int, size: int
) -> tuple[int, int, int, int]:
    """Moves the numbers that octal digits cannot hold into records, 0 is left in their fields."""
    if uid > _MAX_ID:
        records[b"uid"], uid = b"%d" % uid, 0
    if gid > _MAX_ID:
        records[b"gid"], gid = b"%d" % gid, 0
    if not 0 <= seconds <= _MAX_LONG:
        records[b"mtime"], seconds = b"%d" % seconds, 0
    if size > _MAX_LONG:
        records[b"size"], size = b"%d" % size, 0
    return uid, gid, seconds, size


def _decimal(mtime: int) -> bytes:
    """A time as decimal seconds; it is no whole number of them."""
    seconds, rest = divmod(abs(mtime), SECOND)
    return b"%b%d.%b" % (b"-" if mtime < 0 else b"", seconds, (b"%09d" % rest).rstrip(b"0"))


def _long_name(records: dict[bytes, bytes], name: bytes) -> tuple[bytes, bytes]:
    """Prefix and name of ustar, which a record overrules where they cannot hold `name`."""
    if name.isascii() and len(name) <= _MAX_PREFIX + 1 + _MAX_NAME:
        # The last slash of a folder's name is no place to split at: the name would be empty.
        at = name.find(b"/", len(name) - _MAX_NAME - 1, len(name) - 1)
        if 0 < at <= _MAX_PREFIX:
            return name[:at], name[at + 1 :]
    records[b"path"] = name
    return b"", _ascii(name)


def _ascii(name: bytes) -> bytes:
    """What stands in a field whose true value is in a PAX record, for people who look."""
    return bytes([byte for byte in name if byte < 128])[:_MAX_NAME].rstrip(b"/") or b"entry"


def _xattr_key(key: bytes) -> bytes:
    """As GNU tar spells it: `=` would end the key of the record."""
    return key.replace(b"%", b"%25").replace(b"=", b"%3D")


def _device(rdev: tuple[int, int], name: bytes) -> bytes:
    major, minor = rdev
    if not (0 <= major <= _MAX_ID and 0 <= minor <= _MAX_ID):
        raise TarError(f"{shown(name)}: device {major}, {minor} does not exist on Linux")
    return b"%07o\0%07o\0" % (major, minor)
