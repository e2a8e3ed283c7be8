"""Listings: the file rows of one layer as a blob of a shared cache; with them it can be ABSENT elsewhere.

JSON of columns, compressed with zstd. Whoever reads one trusts nothing of it: it is bounded, and is a layer
as Lamina makes them (each path once, sorted, in folders of its own), or it is refused. What it says of a
file is compared with the file when the layer arrives (layers.absent).
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

from lamina.archive.compression import Limits, compressing, decompressed
from lamina.errors import InvalidInput
from lamina.fs.xattr import belongs
from lamina.oci import canonical
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import sha256
from lamina.transfer.cache.kept import is_content
from lamina.tree.entry import FILES, Entry, Kind
from lamina.tree.tree import parent_of
from lamina.tree.whiteout import whiteout

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

T = TypeVar("T")

MEDIA_TYPE = "application/vnd.lamina.listing.v1+zstd"
MAX_ENTRIES = 2_000_000
MAX_PACKED = 64 << 20  # bytes of a listing as a blob
_SHORT = 2048  # bytes of a packed listing that is not worth a request of its own
_MAX_PLAIN = 512 << 20  # bytes of its JSON
_VERSION = 1
_LEVEL = 9
_DIGEST = 32  # bytes
_LONGEST_PATH, _LONGEST_NAME, _LONGEST_LINK = 4096, 255, 4096  # bytes, as in Linux
_MOST_XATTRS = 64 << 10  # bytes of the attributes of one file
_LETTERS = {kind.value: kind for kind in Kind if kind is not Kind.SOCKET}
_DEVICES = (Kind.CHAR, Kind.BLOCK)


def pack(entries: Iterable[Entry], kept: Mapping[bytes, bytes] | None = None) -> bytes:
    """The listing of a layer's entries, sorted by path; `kept` is content of files by path (`kept`).

    The same always gives the same bytes.
    """
    rows = [whiteout(entry.path) if entry.kind is Kind.WHITEOUT else entry for entry in entries]
    columns: dict[str, object] = {
        "version": _VERSION,
        "paths": [_text(entry.path) for entry in rows],
        "kinds": "".join([entry.kind.value for entry in rows]),
        "modes": [entry.mode for entry in rows],
        "uids": [entry.uid for entry in rows],
        "gids": [entry.gid for entry in rows],
        "sizes": [entry.size for entry in rows],
        "mtimes": [entry.mtime for entry in rows],
        "digests": _base64(b"".join([bytes.fromhex(entry.digest) for entry in rows])),
        # the others few entries have: pairs of a position and a value
        "digested": "".join(["1" if entry.digest else "0" for entry in rows]),
        "links": [[n, _text(entry.link)] for n, entry in enumerate(rows) if entry.link],
        "devices": [[n, *entry.rdev] for n, entry in enumerate(rows) if entry.rdev != (0, 0)],
        "xattrs": [
            [n, [[_text(name), _base64(value)] for name, value in entry.xattrs]]
            for n, entry in enumerate(rows)
            if entry.xattrs
        ],
        "opaque": [n for n, entry in enumerate(rows) if entry.opaque],
    }
    if kept:
        columns["kept"] = [[n, _base64(kept[row.path])] for n, row in enumerate(rows) if row.path in kept]
    out = io.BytesIO()
    writer = compressing("zstd", _LEVEL, out.write)
    writer.write(canonical.dumps(columns))
    writer.finish()
    return out.getvalue()


def embedded(data: bytes) -> Descriptor | None:
    """The descriptor of a packed listing that holds it itself; None for one that is a blob of its own."""
    if len(data) > _SHORT:
        return None
    return Descriptor(MEDIA_TYPE, sha256(data), len(data), data=_base64(data))


def unpack(data: bytes, kept: dict[bytes, bytes] | None = None) -> list[Entry]:
    """What `pack` was given; the content of files goes into `kept`. InvalidInput for anything else."""
    stream = cast("BinaryIO", io.BytesIO(data))
    plain, _ = decompressed(stream, limits=Limits(free=64 << 20, ratio=200, total=_MAX_PLAIN))
    columns = canonical.loads_object(plain.read(), "listing", max_size=_MAX_PLAIN)
    if columns.get("version") != _VERSION:
        raise InvalidInput("listing: of another version of Lamina")
    entries = _entries(columns)
    _check(entries)
    if kept is not None and "kept" in columns:
        for n, (text,) in _pairs(columns, "kept", len(entries), 2):
            content = _bytes(text)
            if not is_content(entries[n], content):
                raise _wrong("the content of a file")
            kept[entries[n].path] = content
    return entries


def _entries(columns: dict[str, object]) -> list[Entry]:
    paths = _list(columns, "paths", str)
    count = len(paths)
    if count > MAX_ENTRIES:
        raise InvalidInput(f"listing: {count} entries; at most {MAX_ENTRIES} are read")
    kinds, digested = _word(columns, "kinds", count), _word(columns, "digested", count)
    numbers = [_list(columns, name, int, count) for name in ("modes", "uids", "gids", "sizes", "mtimes")]
    rows = zip(paths, kinds, digested, *numbers, strict=True)
    digests = _bytes(columns.get("digests"))
    found, at = [], 0
    for path, letter, has_digest, mode, uid, gid, size, mtime in rows:
        digest = ""
        if has_digest == "1":
            digest = digests[at : at + _DIGEST].hex()
            at += _DIGEST
        if letter not in _LETTERS or len(digest) not in (0, 2 * _DIGEST):
            raise _wrong("kinds or digests")
        kind = _LETTERS[letter]
        found.append(Entry(_raw(path), kind, mode, uid, gid, size, mtime, digest=digest))
    if at != len(digests):
        raise _wrong("digests")
    _add_rare(columns, found)
    return found


def _add_rare(columns: dict[str, object], found: list[Entry]) -> None:
    """What few entries have."""
    for n, (link,) in _pairs(columns, "links", len(found), 2):
        if type(link) is not str:
            raise _wrong("links")
        found[n] = found[n]._replace(link=_raw(link))
    for n, (major, minor) in _pairs(columns, "devices", len(found), 3):
        if not (_is_id(major) and _is_id(minor)):
            raise _wrong("devices")
        found[n] = found[n]._replace(rdev=(cast("int", major), cast("int", minor)))
    for n, (pairs,) in _pairs(columns, "xattrs", len(found), 2):
        found[n] = found[n]._replace(xattrs=_xattrs(pairs))
    for n in _list(columns, "opaque", int):
        if not 0 <= n < len(found) or found[n].kind is not Kind.DIR:
            raise _wrong("opaque")
        found[n] = found[n]._replace(opaque=True)


def _xattrs(pairs: object) -> tuple[tuple[bytes, bytes], ...]:
    if type(pairs) is not list or not all(type(pair) is list and len(pair) == 2 for pair in pairs):
        raise _wrong("xattrs")
    found = tuple([(_raw(name), _bytes(value)) for name, value in pairs if type(name) is str])
    names = [name for name, _ in found]
    size = sum([len(name) + len(value) for name, value in found])
    if len(found) != len(pairs) or names != sorted(set(names)) or size > _MOST_XATTRS:
        raise _wrong("xattrs")
    if not all(belongs(name) for name, _ in pairs):
        raise InvalidInput("listing: an attribute that no file of an image has")
    return found


def _check(entries: Sequence[Entry]) -> None:
    """Whether these are the entries of one layer. InvalidInput."""
    files: dict[bytes, Entry] = {}
    folders = {b""}
    before: bytes | None = None
    for entry in entries:
        path, kind = entry.path, entry.kind
        if before is not None and path <= before:
            raise _wrong("the order of its paths")
        before = path
        if path and parent_of(path) not in folders:
            raise InvalidInput("listing: an entry that lies in no folder of the layer")
        _check_path(path, kind)
        _check_entry(entry)
        if kind is Kind.DIR:
            folders.add(path)
        elif kind is Kind.FILE:
            files[path] = entry
    for entry in entries:
        if entry.kind is Kind.HARDLINK and not _is_name_of(entry, files.get(entry.link)):
            raise InvalidInput("listing: a hard link to no file of the layer")


def _is_name_of(entry: Entry, file: Entry | None) -> bool:
    return file is not None and file._replace(path=entry.path, kind=entry.kind, link=entry.link) == entry


def _check_path(path: bytes, kind: Kind) -> None:
    if not path:
        if kind is not Kind.DIR:
            raise _wrong("the root")
        return
    name = path.rpartition(b"/")[2]  # the folder that it lies in was checked
    if len(path) > _LONGEST_PATH or len(name) > _LONGEST_NAME or b"\0" in path:
        raise _wrong("a path")
    if name in (b"", b".", b"..") or name.startswith(b".wh.") or path.startswith(b"/"):
        raise _wrong("a path")


def _check_entry(entry: Entry) -> None:
    _, kind, mode, uid, gid, size, mtime, link, rdev, xattrs, digest, opaque = entry
    is_file = kind in FILES
    sound = (
        0 <= mode <= 0o7777
        and _is_id(uid)
        and _is_id(gid)
        and 0 <= size < 1 << 63
        and -(1 << 63) <= mtime < 1 << 63
        and (is_file or not (size or digest))
        and (bool(digest) or not size)
        and bool(link) == (kind in (Kind.SYMLINK, Kind.HARDLINK))
        and len(link) <= _LONGEST_LINK
        and b"\0" not in link
        and (rdev == (0, 0) or kind in _DEVICES)
        and not (opaque and kind is not Kind.DIR)
        and not (xattrs and kind is Kind.SYMLINK)
        and (kind is not Kind.WHITEOUT or entry == whiteout(entry.path))
    )
    if not sound:
        raise _wrong(f"an entry of kind {kind.value}")


# --- values


def _wrong(what: str) -> InvalidInput:
    return InvalidInput(f"listing: {what} cannot be")


def _text(raw: bytes) -> str:
    """Bytes of a name as JSON can hold them: U+0000 to U+00FF each for itself where they are not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "\0" + raw.decode("latin-1")


def _raw(text: str) -> bytes:
    try:
        return text[1:].encode("latin-1") if text.startswith("\0") else text.encode()
    except UnicodeEncodeError:
        raise _wrong("a name") from None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: object) -> bytes:
    if type(text) is not str:
        raise _wrong("base64")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise _wrong("base64") from None


def _is_id(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 32


def _list(columns: dict[str, object], name: str, kind: type[T], count: int | None = None) -> list[T]:
    found = columns.get(name)
    if type(found) is not list or (count is not None and len(found) != count):
        raise _wrong(name)
    if not all(type(each) is kind for each in found):
        raise _wrong(name)
    return found


def _word(columns: dict[str, object], name: str, count: int) -> str:
    found = columns.get(name)
    if type(found) is not str or len(found) != count:
        raise _wrong(name)
    return found


def _pairs(columns: dict[str, object], name: str, count: int, width: int) -> list[tuple[int, list[object]]]:
    """Rows that begin with the position of an entry."""
    found = _list(columns, name, list)
    for row in found:
        if len(row) != width or type(row[0]) is not int or not 0 <= row[0] < count:
            raise _wrong(name)
    return [(row[0], row[1:]) for row in found]
