"""Tar headers as Go's archive/tar writes them, from the fields that a table of contents has.

eStargz keeps no headers beside its table, and nearly all writers of layers are in Go. What is made here is a
guess, which only the diff ID proves: so it need not know every form, but must be exact in the usual ones.
"""

from __future__ import annotations

from posixpath import join, normpath
from typing import NamedTuple

from lamina.tree.tar.header import BLOCK, padding

_NAME, _PREFIX = 100, 155
_SCHILY = b"SCHILY.xattr."
_VERSION = b"ustar\x0000"


class Fields(NamedTuple):
    """The fields of a header; names are bytes, `mtime` whole seconds."""

    name: bytes
    type: bytes
    link: bytes = b""
    mode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    user: bytes = b""
    group: bytes = b""
    major: int = 0
    minor: int = 0
    xattrs: tuple[tuple[bytes, bytes], ...] = ()


def header(fields: Fields) -> bytes:
    """The blocks of one header: USTAR where it fits and nothing asks for PAX (Writer.WriteHeader)."""
    records: dict[bytes, bytes] = {}
    fits = True
    for key, value, most in (
        (b"path", fields.name, _NAME),
        (b"linkpath", fields.link, _NAME),
        (b"uname", fields.user, 32),
        (b"gname", fields.group, 32),
    ):
        if len(value) > most or not value.isascii():
            records[key] = value
            fits = fits and key == b"path" and _split(value) is not None
    for key, number, digits in (
        (b"uid", fields.uid, 7),
        (b"gid", fields.gid, 7),
        (b"size", fields.size, 11),
        (b"mtime", fields.mtime, 11),
    ):
        if not 0 <= number < 8**digits:
            records[key] = b"%d" % number
            fits = False
    if fits and not fields.xattrs:
        prefix, name = _split(fields.name) or (b"", fields.name)
        return _block(fields._replace(name=name), prefix)
    records |= {_SCHILY + key: value for key, value in fields.xattrs}
    name, link, user, group = map(_ascii, (fields.name, fields.link, fields.user, fields.group))
    shown = fields._replace(name=name, link=link, user=user, group=group)
    return _pax(fields.name, records) + _block(shown, b"")


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """Prefix and name of ustar for a name that is too long for one field (splitUSTARPath)."""
    length = len(name)
    if length <= _NAME or not name.isascii():
        return None
    if length > _PREFIX + 1:
        length = _PREFIX + 1
    elif name.endswith(b"/"):
        length -= 1
    at = name.rfind(b"/", 0, length)
    suffix = len(name) - at - 1
    return (name[:at], name[at + 1 :]) if at > 0 and 0 < suffix <= _NAME else None


def _block(fields: Fields, prefix: bytes) -> bytes:
    numbers = b"".join(
        [
            _octal(fields.mode, 8),
            _octal(fields.uid, 8),
            _octal(fields.gid, 8),
            _octal(fields.size, 12),
            _octal(fields.mtime, 12),
        ]
    )
    owners = fields.user[:32].ljust(32, b"\0") + fields.group[:32].ljust(32, b"\0")
    device = _octal(fields.major, 8) + _octal(fields.minor, 8)
    tail = _field(fields.link) + _VERSION + owners + device + prefix.ljust(_PREFIX + 12, b"\0")
    return _summed(_field(fields.name) + numbers, fields.type + tail)


def _pax(name: bytes, records: dict[bytes, bytes]) -> bytes:
    data = b"".join([_record(key, records[key]) for key in sorted(records)])
    folder, _, file = name.rpartition(b"/")
    shown = _ascii(normpath(join(folder, b"PaxHeaders.0", file)))[:_NAME].rstrip(b"/")
    numbers = _octal(0, 8) * 3 + _octal(len(data), 12) + _octal(0, 12)
    tail = b"x" + bytes(100) + _VERSION + bytes(BLOCK - 265)
    return _summed(shown.ljust(100, b"\0") + numbers, tail) + data + bytes(padding(len(data)))


def _record(key: bytes, value: bytes) -> bytes:
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def _summed(head: bytes, tail: bytes) -> bytes:
    total = sum(head) + sum(tail) + 8 * 0x20
    return head + b"%06o\0 " % total + tail


def _octal(number: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, number if 0 <= number < 8 ** (width - 1) else 0)


def _field(text: bytes) -> bytes:
    """A name in its field of 100 bytes; a cut one does not end in a slash (formatter.formatString)."""
    if len(text) > _NAME and text[_NAME - 1 : _NAME] == b"/":
        text = text[: _NAME - 1].rstrip(b"/")
    return text[:_NAME].ljust(_NAME, b"\0")


def _ascii(text: bytes) -> bytes:
    return bytes([byte for byte in text if 0 < byte < 128]) if not text.isascii() else text
