"""content_id: names what a layer contains, whenever its files were written."""

from __future__ import annotations

import hashlib
from operator import itemgetter
from typing import TYPE_CHECKING

from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

EMPTY_CONTENT = hashlib.sha256().hexdigest()  # of a layer without entries
_LETTER = {kind: kind.value.encode() for kind in Kind}
_BATCH = 512


def content_id(entries: Iterable[Entry], *, in_order: bool = False) -> str:
    """SHA-256, in hex, over the entries in the order of their paths, without mtimes.

    They need not come in that order, unless `in_order` says so, which spares the memory for all of them.
    Everything else counts: path, kind, mode, owner, size, link, device, xattrs, digest, opaque.
    ValueError when a file's digest is not known.
    """
    hasher = hashlib.sha256()
    parts: list[bytes] = []
    for entry in entries if in_order else sorted(entries, key=itemgetter(0)):
        parts.append(_bytes_of(entry))
        if len(parts) == _BATCH or entry.xattrs:  # which can be long
            hasher.update(b"".join(parts))
            parts.clear()
    hasher.update(b"".join(parts))
    return hasher.hexdigest()


def _bytes_of(entry: Entry) -> bytes:
    """One entry so that no two read the same: names hold no NUL, xattr values have their length."""
    path, kind, mode, uid, gid, size, _, link, rdev, xattrs, digest, opaque = entry
    if kind is Kind.WHITEOUT:
        return path + b"\0w\0"
    if size == 0:
        digest = ""  # some know it for empty files and some do not
    elif not digest:
        raise ValueError(f"the digest of {path!r} is not known")
    numbers = (mode, uid, gid, size, rdev[0], rdev[1], opaque, len(xattrs))
    text = b"%o %d %d %d %d %d %d %d " % numbers + digest.encode()
    out = b"\0".join((path, _LETTER[kind], text, link, b""))
    for name, value in xattrs:
        out += b"%b\0%d:%b" % (name, len(value), value)
    return out
