"""What the table of contents says of one entry of a tar, as containers/storage would say it.

Its readers compare the table with the headers, field by field, and refuse the layer where the two differ. So
what Go's reader of archives takes for something else, or JSON cannot hold, is `Unusual`.
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from typing import TYPE_CHECKING, Any

from lamina.tree.tar.decode import Form, device

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.tree.tar.decode import Header

_TYPES = {
    b"0": "reg",
    b"\0": "reg",
    b"1": "hardlink",
    b"2": "symlink",
    b"3": "char",
    b"4": "block",
    b"5": "dir",
    b"6": "fifo",
}
_SCHILY = "SCHILY.xattr."
_SECOND = 1_000_000_000
_FIRST, _LAST = -62_135_596_800, 253_402_300_799  # the seconds of the years 1 to 9999
_EXTENDED = slice(345, 500)  # of a GNU header: times and more, where ustar has the prefix


class Unusual(Exception):
    """The entry is one that tools understand differently."""


def type_of(header: Header) -> str:
    """The kind of an entry in the words of the table. Unusual for those that it has none for."""
    kind = _TYPES.get(header.type)
    if kind is None:
        raise Unusual(f"an entry of type {header.type!r}")
    return "dir" if header.type == b"\0" and header.name.endswith(b"/") else kind


def fields(header: Header, records: Sequence[tuple[bytes, bytes]]) -> dict[str, Any]:
    """The fields of an entry without content, or before what says where that is.

    `header` with what `records`, those of its PAX header, say instead of it. Unusual.
    """
    kind = type_of(header)
    if (header.size and kind != "reg") or (header.form is Form.GNU and header.block[_EXTENDED].strip(b"\0")):
        raise Unusual("a header in a form that is rare")
    said = {_text(key): value for key, value in records}
    if any(key.startswith("GNU.sparse.") for key in said):
        raise Unusual("a sparse file")
    found: dict[str, Any] = {"type": kind, "name": _text(header.name)}
    if header.link:
        found["linkName"] = _text(header.link)
    numbers = {"mode": header.mode, "size": header.size, "uid": header.uid, "gid": header.gid}
    found |= {key: value for key, value in numbers.items() if value}
    found["modtime"] = _time(said.get("mtime") or b"", header.mtime)
    for key, name in (("atime", "accesstime"), ("ctime", "changetime")):
        if said.get(key):
            found[name] = _time(said[key], 0)
    if kind in ("char", "block"):
        major, minor = device(header)
        found |= {key: value for key, value in (("devMajor", major), ("devMinor", minor)) if value}
    xattrs = {
        key.removeprefix(_SCHILY): b2a_base64(value, newline=False).decode()
        for key, value in sorted(said.items())
        if key.startswith(_SCHILY)
    }
    return found | {"xattrs": xattrs} if xattrs else found


def encoded(found: dict[str, Any]) -> bytes:
    """One entry as JSON."""
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()


def clean(name: str) -> str:
    """The path by which readers tell whether two entries are of the same file (Go's path.Clean)."""
    from posixpath import normpath  # not needed at start-up

    return normpath(name).lstrip("/")


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Unusual("a name that is not UTF-8") from None


def _time(text: bytes, fallback: int) -> str:
    """RFC 3339 with as many digits as it takes, in UTC. `text`: decimal seconds; `fallback`: nanoseconds."""
    import datetime  # as above

    seconds, nanoseconds = divmod(fallback, _SECOND)
    if text:
        whole, _, fraction = text.decode("ascii", "replace").partition(".")
        if not whole.isdigit() or (fraction and not fraction.isdigit()) or len(whole) > 12:
            raise Unusual("a time before 1970, or one that is none")
        seconds, nanoseconds = int(whole), int(fraction[:9].ljust(9, "0"))
    if not _FIRST <= seconds <= _LAST:
        raise Unusual("a time that cannot be written")
    day = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    digits = f".{nanoseconds:09}".rstrip("0").rstrip(".")
    return f"{day.isoformat()}{digits}Z"
