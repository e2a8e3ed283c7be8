"""Read sets: what a step read of the layers below it, and what it found there. Pure.

An observation is a path with what was found at it: nothing, or an entry without its times. A listing is the
names in a folder, with their kinds. A read set says enough to tell whether other layers show the same.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import Corrupt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.tree.entry import Entry

SHORT = 8  # bytes that a read set keeps of a value: they say what differs; the digest proves what is equal
NOTHING = b""  # the value of a path at which there is nothing

_VERSION = b"\1"
_CHECK = 8  # bytes
_DIGEST = 32  # bytes
_NUMBER = 4  # bytes
_HEAD = len(_VERSION) + _DIGEST + 2 * _NUMBER
_ABSENT, _PRESENT, _LISTED = range(3)  # what is packed for each observation
_MOST_PLAIN = 64 << 20  # bytes of all packed paths
_LONGEST = 255  # bytes that a packed path has in common with the one before


class Observed(NamedTuple):
    """One observation: a path that was looked up, or a folder that was listed."""

    path: bytes  # as in Entry; b"" is the root
    listed: bool = False


class ReadSet(NamedTuple):
    """`values` has for each observation the beginning of what was found there; `digest` is over all, whole.

    Sorted by path, look-ups before listings.
    """

    observed: tuple[Observed, ...]
    values: tuple[bytes, ...]
    digest: str


def value_of(entry: Entry | None, names: Iterable[bytes] = ()) -> bytes:
    """What counts of what was found at a path: b"" for nothing, else a SHA-256 over all but times.

    `names` are all names of a file that has several. Corrupt when a file's digest is not known.
    """
    if entry is None:
        return NOTHING
    _, kind, mode, uid, gid, size, _, link, rdev, xattrs, digest, _ = entry
    number = rdev[0] << 32 | rdev[1]
    return value(kind.value, mode, uid, gid, size, link, number, xattrs, bytes.fromhex(digest), tuple(names))


def value(
    kind: str,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    link: bytes,
    rdev: int,
    xattrs: Iterable[tuple[bytes, bytes]],
    digest: bytes,
    names: Sequence[bytes] = (),
) -> bytes:
    """As value_of, of the parts of an entry. Corrupt."""
    if kind in ("f", "h"):
        if not size:
            digest = b""  # some know it for empty files and some do not
        elif len(digest) != _DIGEST:
            raise Corrupt("the digest of a file is not known")
        text = b"f%o %d %d %d %b" % (mode, uid, gid, size, digest)
    elif kind == "d":
        text = b"d%o %d %d" % (mode, uid, gid)
    elif kind == "l":
        text = b"l%d %d %d:%b" % (uid, gid, len(link), link)
    elif kind == "w":
        return NOTHING
    else:
        text = b"%b%o %d %d %d" % (kind.encode(), mode, uid, gid, rdev)
    for name, content in xattrs:
        text += b"x%d:%b%d:%b" % (len(name), name, len(content), content)
    if names and len(several := sorted(names)) > 1:
        text += b"n" + b"\0".join(several)
    return hashlib.sha256(text).digest()


def listing_value(children: Iterable[tuple[bytes, str]]) -> bytes:
    """What counts of a folder that was listed: its names with the letters of their kinds, in any order."""
    # a name holds no /, so that none of them reads as two
    parts = [name + (b"/f" if kind == "h" else b"/" + kind.encode()) for name, kind in children]
    parts.sort()
    return hashlib.sha256(b"//" + b"//".join(parts)).digest()


def make(observed: Iterable[Observed], values: Iterable[bytes]) -> ReadSet:
    """The read set of observations, in any order, with the whole value of each."""
    found = dict(zip(observed, values, strict=True))
    order = sorted(found)
    whole = [found[each] for each in order]
    return ReadSet(tuple(order), tuple([each[:SHORT] for each in whole]), digest_of(order, whole))


def digest_of(observed: Sequence[Observed], values: Sequence[bytes]) -> str:
    """The digest of a read set with these observations and whole values, in the order of a read set."""
    hasher = hashlib.sha256(b"\0".join([path + b"/" if listed else path for path, listed in observed]))
    hasher.update(b"\0/\0%b" % bytes(map(len, values)))  # a path does not begin with a slash
    hasher.update(b"".join(values))
    return hasher.hexdigest()


def pack(read_set: ReadSet) -> bytes:
    """The read set in few bytes: each path without what it has in common with the one before; compressed."""
    observed, values, digest = read_set
    shared, rests, marks = bytearray(), list[bytes](), bytearray()
    before = b""
    for (path, listed), value in zip(observed, values, strict=True):
        same = _in_common(before, path)
        shared.append(same)
        rests.append(path[same:])
        marks.append(_LISTED if listed else _PRESENT if value else _ABSENT)
        before = path
    text = zlib.compress(b"".join((shared, marks, b"\0".join(rests))), 9)
    head = b"".join([number.to_bytes(_NUMBER, "little") for number in (len(observed), len(text))])
    body = b"".join((_VERSION, bytes.fromhex(digest), head, text, *values))
    return _check(body) + body


def unpack(packed: bytes) -> ReadSet:
    """What `pack` was given. Corrupt when the bytes are damaged, or from another version.

    They may be a stranger's (shared caches): what comes of them is bounded.
    """
    body = packed[_CHECK:]
    if len(body) < _HEAD or _check(body) != packed[:_CHECK] or not body.startswith(_VERSION):
        raise Corrupt("a recorded read set is damaged")
    digest = body[len(_VERSION) :][:_DIGEST].hex()
    count = int.from_bytes(body[_HEAD - 2 * _NUMBER :][:_NUMBER], "little")
    end = _HEAD + int.from_bytes(body[_HEAD - _NUMBER :][:_NUMBER], "little")
    text = _plain(body[_HEAD:end])
    if text.count(b"\0", 2 * count) != max(0, count - 1) or len(text) < 2 * count:
        raise Corrupt("a recorded read set is damaged")
    marks = text[count : 2 * count]
    return ReadSet(
        tuple(_observed_of(text[:count], marks, text[2 * count :])),
        tuple(_values_of(marks, body[end:])),
        digest,
    )


def _plain(packed: bytes) -> bytes:
    decompressor = zlib.decompressobj()
    try:
        text = decompressor.decompress(packed, _MOST_PLAIN)
    except zlib.error:
        text = b""
    if not decompressor.eof:
        raise Corrupt("a recorded read set is damaged")
    return text


def _observed_of(shared: bytes, marks: bytes, rests: bytes) -> list[Observed]:
    found: list[Observed] = []
    path, new = b"", tuple.__new__  # which is what Observed(...) comes to, in half the time
    every = zip(shared, marks, rests.split(b"\0"), strict=False)  # nothing, split, is one rest
    for same, mark, rest in every:
        path = path[:same] + rest
        found.append(new(Observed, (path, mark == _LISTED)))
    return found


def _values_of(marks: bytes, data: bytes) -> list[bytes]:
    found = []
    end = 0
    for mark in marks:
        at, end = end, end + (0 if mark == _ABSENT else SHORT)
        found.append(data[at:end])
    return found


def _in_common(one: bytes, other: bytes) -> int:
    length = min(len(one), len(other), _LONGEST)
    differ = int.from_bytes(one[:length], "big") ^ int.from_bytes(other[:length], "big")
    return length - (differ.bit_length() + 7) // 8


def _check(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:_CHECK]
