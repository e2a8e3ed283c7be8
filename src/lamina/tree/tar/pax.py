"""PAX headers: their records, and what these say about the entry that follows (POSIX.1-2017 pax)."""

from __future__ import annotations

from typing import NamedTuple

from lamina.tree.tar.decode import MAX_ID, MAX_SECONDS
from lamina.tree.tar.errors import TarError, shown

_MAX_SIZE = (1 << 63) - 1
_SCHILY, _LIBARCHIVE = b"SCHILY.xattr.", b"LIBARCHIVE.xattr."
_SPARSE = b"GNU.sparse."
_NAMES = frozenset((b"path", b"linkpath", b"uname", b"gname", b"GNU.sparse.name"))
_CHARSETS = frozenset((b"", b"ISO-IR 10646 2000 UTF-8", b"BINARY"))
_NEVER_GLOBAL = frozenset((b"path", b"linkpath", b"size", b"uid", b"gid"))
Xattrs = tuple[tuple[bytes, bytes], ...]


class Pax(NamedTuple):
    """What a PAX header says; None for what it does not say."""

    path: bytes | None
    link: bytes | None
    size: int | None
    uid: int | None
    gid: int | None
    mtime: int | None  # nanoseconds
    xattrs: Xattrs
    sparse: dict[bytes, bytes]  # the GNU.sparse.* records, without this prefix
    chunks: tuple[int, ...]  # sparse format 0.0: offset, length, offset, length ...


NOTHING = Pax(None, None, None, None, None, None, (), {}, ())


def parse(data: bytes, max_xattrs: int) -> Pax:
    """Reads the PAX header of one entry. TarError when a record is malformed or out of range."""
    found: dict[bytes, bytes] = {}
    chunks: list[int] = []
    for key, value in records(data):
        if key == b"GNU.sparse.offset" or key == b"GNU.sparse.numbytes":
            if (len(chunks) % 2 == 1) != (key == b"GNU.sparse.numbytes"):
                raise TarError("the map of a sparse file has its records in the wrong order")
            chunks.append(_number(key, value, _MAX_SIZE))
        elif found.setdefault(key, value) != value:
            raise TarError(f"PAX record {shown(key)} is given twice, with different values")
    _check_charset(found)
    sparse = {key[len(_SPARSE) :]: value for key, value in found.items() if key.startswith(_SPARSE)}
    return Pax(
        path=found.get(b"path") or None,
        link=found.get(b"linkpath") or None,
        size=_optional(found, b"size", _MAX_SIZE),
        uid=_optional(found, b"uid", MAX_ID),
        gid=_optional(found, b"gid", MAX_ID),
        mtime=_time(found[b"mtime"]) if found.get(b"mtime") else None,
        xattrs=_xattrs(found, max_xattrs),
        sparse=sparse,
        chunks=tuple(chunks),
    )


def check_global(data: bytes) -> None:
    """Looks at a global header. Docker ignores these and others apply them, so none may say what matters.

    TarError when a record of it would change a path, a size, an owner or an xattr.
    """
    for key, value in records(data):
        if key in _NEVER_GLOBAL or key.startswith((_SPARSE, _SCHILY, _LIBARCHIVE)):
            raise TarError(f"a global PAX header sets {shown(key)}, which readers understand differently")
        _check_charset({key: value})


def records(data: bytes) -> list[tuple[bytes, bytes]]:
    """The records `LENGTH key=value` of a PAX header, in their order. TarError when one is malformed."""
    found: list[tuple[bytes, bytes]] = []
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 12)
        digits = data[at : max(space, at)]
        end = at + int(digits) if digits.isdigit() else 0
        if not space + 1 < end <= len(data) or data[end - 1] != 0x0A:
            raise TarError("a PAX record has a wrong length")
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not key or not equals or b"\0" in key:
            raise TarError("a PAX record has no key")
        if key in _NAMES and b"\0" in value:
            raise TarError(f"PAX record {shown(key)} holds a zero byte")
        found.append((key, value))
        at = end
    return found


def number(key: bytes, value: bytes) -> int:
    """A number of bytes in decimal digits. TarError when it is none or does not fit in 63 bits."""
    return _number(key, value, _MAX_SIZE)


def _number(key: bytes, value: bytes, most: int) -> int:
    if not value.isdigit() or len(value) > 20 or int(value) > most:
        raise TarError(f"PAX record {shown(key)}: {shown(value[:40])!r} is not a number up to {most}")
    return int(value)


def _optional(found: dict[bytes, bytes], key: bytes, most: int) -> int | None:
    value = found.get(key)
    return _number(key, value, most) if value else None


def _time(value: bytes) -> int:
    """Nanoseconds from decimal seconds, cut (not rounded) towards the past."""
    digits = value.removeprefix(b"-")
    whole, _, fraction = digits.partition(b".")
    fits = (whole or fraction) and (whole or b"0").isdigit() and (fraction or b"0").isdigit()
    if not fits or len(whole) > 12 or int(whole or b"0") > MAX_SECONDS:
        raise TarError(f"PAX record mtime: {shown(value[:40])!r} is not a time")
    nanoseconds = int(whole or b"0") * 1_000_000_000 + int(fraction[:9].ljust(9, b"0"))
    if value[:1] != b"-":
        return nanoseconds
    return -nanoseconds - (1 if fraction[9:].strip(b"0") else 0)


def _check_charset(found: dict[bytes, bytes]) -> None:
    charset = found.get(b"hdrcharset", b"")
    if charset not in _CHARSETS:
        raise TarError(f"names in the character set {shown(charset[:60])!r} are not supported")


def _xattrs(found: dict[bytes, bytes], most: int) -> Xattrs:
    xattrs: dict[bytes, bytes] = {}
    for key, value in found.items():
        if key.startswith(_SCHILY):
            name = key[len(_SCHILY) :]
            if b"%" in name:
                name = name.replace(b"%3D", b"=").replace(b"%25", b"%")
        elif key.startswith(_LIBARCHIVE):
            name, value = _libarchive(key[len(_LIBARCHIVE) :], value)
        else:
            continue
        if not 0 < len(name) <= 255 or b"\0" in name:
            raise TarError("an extended attribute has a name that Linux does not take")
        if xattrs.setdefault(name, value) != value:
            raise TarError(f"extended attribute {shown(name)} is given twice, with different values")
    if sum(len(name) + len(value) for name, value in xattrs.items()) > most:
        raise TarError(f"extended attributes of more than {most} bytes")
    return tuple(sorted(xattrs.items()))


def _libarchive(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """libarchive's own spelling: the name as in a URL, the value in base64, often without its padding."""
    from base64 import b64decode  # rare, and not needed at start-up
    from urllib.parse import unquote_to_bytes

    try:
        return unquote_to_bytes(name), b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except ValueError:
        raise TarError(f"extended attribute {shown(name)} is not in base64") from None
