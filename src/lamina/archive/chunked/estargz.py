"""eStargz: gzip members that begin at each file's content, and a table of contents as the tar's last entry.

stargz-snapshotter, docs/estargz.md. A file's padding and the headers that follow it are in the member of its
last chunk: where that is not fetched they are made from the table, as Go would (goheader). Where it is, they
are compared, so that a wrong guess shows before much was fetched.
"""

from __future__ import annotations

import datetime
import hashlib
from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import TYPE_CHECKING, Any

from lamina.archive.chunked import toc
from lamina.archive.chunked.contents import Gathering
from lamina.archive.chunked.errors import Doubt
from lamina.archive.chunked.frames import gunzip
from lamina.archive.chunked.goheader import Fields, header
from lamina.archive.chunked.positions import MAX_TABLE
from lamina.archive.chunked.recipe import Gap, Recipe, Unpacked, check
from lamina.tree.tar.decode import octal
from lamina.tree.tar.errors import TarError
from lamina.tree.tar.header import BLOCK, padding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lamina.archive.chunked.toc import Chunk, Content, Row

FOOTER_SIZE = 51
_TYPES = {
    "reg": b"0",
    "hardlink": b"1",
    "symlink": b"2",
    "char": b"3",
    "block": b"4",
    "dir": b"5",
    "fifo": b"6",
}
_PIECE = 1 << 18
_MAX_TAIL = 64 << 20  # bytes of headers after a chunk


def toc_offset(footer: bytes, size: int) -> int:
    """Where a blob of `size` bytes has its table, from its last FOOTER_SIZE bytes. Doubt."""
    digits = footer[16:32]
    if (
        len(footer) != FOOTER_SIZE
        or footer[:4] != b"\x1f\x8b\x08\x04"
        or footer[10:16] != b"\x1a\0SG\x16\0"
        or footer[32:38] != b"STARGZ"
        or not all(byte in b"0123456789abcdef" for byte in digits)
    ):
        raise Doubt("the blob does not end as an eStargz layer does")
    offset = int(digits, 16)
    if not 0 < offset < size - FOOTER_SIZE:
        raise Doubt("the table of contents is said to be where the blob has nothing")
    return offset


class StargzRecipe(Recipe):
    """An eStargz layer, from the bytes of its table (recipe.Recipe). Doubt for what contradicts itself.

    `data` is the blob from `offset` to its footer, `checksum` the digest of the table's JSON.
    """

    def __init__(self, checksum: str, offset: int, data: bytes) -> None:
        self._end = gunzip(data, MAX_TABLE)  # of the tar, from the header of the table on
        self._table = _table(self._end, checksum)
        rows = Gathering(offset, ends_said=False)
        toc.read(_cut(self._table), rows.add)
        self.contents: Sequence[Content] = rows.contents()
        if not self.contents:
            raise Doubt("a layer without files")
        starts = [content.chunks[0].start for content in self.contents]
        if sorted(starts) != starts:
            raise Doubt("the files of the table of contents are not one after the other in the blob")
        last = self.contents[-1].chunks[-1]
        self.gaps: Sequence[Gap] = [Gap(0, starts[0]), Gap(last.start, last.end, last.skip + last.size)]

    def parts(self) -> Iterator[bytes | int | Gap]:
        """What comes before the first file and after the last is always fetched: it cannot be known."""
        yield self.gaps[0]
        heads: list[bytes] = []
        count = 0
        owners = _Owners()
        for row in self._rows():
            fields = owners.completed(_fields(row))
            if count:
                heads.append(header(fields))
            if row.type == "reg" and row.size:
                if heads:
                    yield b"".join(heads)
                    heads.clear()
                yield count
                count += 1
                heads.append(bytes(padding(row.size)))
        yield self.gaps[1]
        yield self._end

    def _rows(self) -> Iterator[Row]:
        """The entries, without the further chunks of files."""
        for row in toc.rows(_cut(self._table)):
            if row.type != "chunk":
                yield row

    def unpack(self, chunk: Chunk, data: bytes) -> Unpacked:
        end = chunk.skip + chunk.size
        out = gunzip(data, end + _MAX_TAIL)
        content = out[chunk.skip : end]
        if len(content) != chunk.size:
            raise Doubt("a piece of the layer has another size than its table of contents says")
        check(chunk, content)
        return Unpacked(content, out[end:])

    def unpack_gap(self, gap: Gap, data: bytes) -> bytes:
        return gunzip(data, gap.skip + _MAX_TAIL)[gap.skip :]


class _Owners:
    """A name of a user or a group stands only where it is another than the last one of that number."""

    def __init__(self) -> None:
        self._users: dict[int, bytes] = {}
        self._groups: dict[int, bytes] = {}

    def completed(self, fields: Fields) -> Fields:
        """The fields with the names that they had."""
        user = fields.user or self._users.get(fields.uid, b"")
        group = fields.group or self._groups.get(fields.gid, b"")
        self._users[fields.uid], self._groups[fields.gid] = user, group
        return fields._replace(user=user, group=group)


def _cut(table: memoryview) -> Iterator[bytes]:
    for at in range(0, len(table), _PIECE):
        yield bytes(table[at : at + _PIECE])


def _table(tar: bytes, checksum: str) -> memoryview:
    """The JSON of a table, from the tar that begins with its entry."""
    try:
        size = octal(tar[124:136]) if len(tar) > BLOCK else 0
    except TarError:
        size = 0
    table = memoryview(tar)[BLOCK : BLOCK + size]
    if not len(table) or checksum != "sha256:" + hashlib.sha256(table).hexdigest():
        raise Doubt("the table of contents is not the one that the manifest names")
    return table


def _fields(row: Row) -> Fields:
    """What the header of an entry says."""
    said = row.fields
    kind = _TYPES.get(row.type)
    if kind is None:
        raise Doubt(f"the table of contents has an entry of the type {row.type[:40]!r}")
    return Fields(
        name=_bytes(said, "name"),
        type=kind,
        link=_bytes(said, "linkName"),
        mode=_number(said, "mode"),
        uid=_number(said, "uid"),
        gid=_number(said, "gid"),
        size=row.size if kind == b"0" else 0,
        mtime=_seconds(said),
        user=_bytes(said, "userName"),
        group=_bytes(said, "groupName"),
        major=_number(said, "devMajor"),
        minor=_number(said, "devMinor"),
        xattrs=_xattrs(said),
    )


def _bytes(said: Any, key: str) -> bytes:
    value = said.get(key, "")
    if type(value) is not str or len(value) > 1 << 16:
        raise Doubt(f"the table of contents has an entry whose {key} is no text")
    return value.encode("utf-8", "replace")


def _number(said: Any, key: str) -> int:
    value = said.get(key, 0)
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise Doubt(f"the table of contents has an entry whose {key} is no number")
    return value


def _seconds(said: Any) -> int:
    text = _bytes(said, "modtime").decode()
    if not text:
        return 0
    try:
        moment = datetime.datetime.fromisoformat(text)
        return int((moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        raise Doubt("the table of contents has an entry whose time is none") from None


def _xattrs(said: Any) -> tuple[tuple[bytes, bytes], ...]:
    found = said.get("xattrs") or {}
    if type(found) is not dict:
        raise Doubt("the table of contents has attributes that are none")
    try:
        return tuple([(key.encode(), a2b_base64(value)) for key, value in sorted(found.items())])
    except (Base64Error, ValueError, TypeError):
        raise Doubt("the table of contents has attributes that are none") from None
