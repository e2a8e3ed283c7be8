"""tar-split: all of a tar but the content of its files, as lines of JSON (vbatts/tar-split, tar/storage).

A line is a piece of the tar as it is (type 2), or stands for a file (type 1), with the file's size and the
CRC-64 of its content. There is one piece before each file, with the padding of the one before, all headers,
and nothing else; each entry of the tar counts as a file, one without content as one of size 0.
"""

from __future__ import annotations

import json
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from typing import TYPE_CHECKING, NamedTuple

from lamina.archive.chunked.errors import Doubt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FILE, _PIECE = 1, 2
_MAX_LINE = 8 << 20  # characters: a piece of the most that readers here take as a header, in base64


class File(NamedTuple):
    """The content of a file stands here. `name` is "" where it is not UTF-8."""

    name: str
    size: int


class Lines:
    """Makes the lines, numbered."""

    __slots__ = ("_count",)

    def __init__(self) -> None:
        self._count = 0

    def piece(self, data: bytes) -> bytes:
        """A piece of the tar as it is."""
        text = b2a_base64(data, newline=False)
        return self._line(b'{"type":2,"payload":"%b","position":%d}\n', text)

    def file(self, name: str, size: int, checksum: bytes) -> bytes:
        """A file; the checksum is of Crc64, and b"" where the size is 0."""
        middle = b'"name":%b,' % json.dumps(name, ensure_ascii=False).encode()
        if not size:
            return self._line(b'{"type":1,%b"payload":null,"position":%d}\n', middle)
        middle += b'"size":%d,"payload":"%b"' % (size, b2a_base64(checksum, newline=False))
        return self._line(b'{"type":1,%b,"position":%d}\n', middle)

    def _line(self, form: bytes, value: bytes) -> bytes:
        line = form % (value, self._count)
        self._count += 1
        return line


def read(chunks: Iterable[bytes]) -> Iterator[bytes | File]:
    """Pieces and files, in their order. Doubt for what is no tar-split."""
    for line in _lines(chunks):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            raise Doubt("the tar-split has a line that is not JSON") from None
        if type(entry) is not dict:
            raise Doubt("the tar-split has a line that is no object")
        yield _read(entry)


def _read(entry: dict[str, object]) -> bytes | File:
    kind, name, size, payload = [entry.get(key) for key in ("type", "name", "size", "payload")]
    if kind == _PIECE and type(payload) is str:
        try:
            return a2b_base64(payload, strict_mode=True)
        except (Base64Error, ValueError):
            raise Doubt("the tar-split has a piece that is not in base64") from None
    if kind != _FILE or type(size or 0) is not int or type(name or "") is not str:
        raise Doubt("the tar-split has a line of another kind")
    size = size or 0
    assert type(size) is int
    if not 0 <= size < 1 << 62:
        raise Doubt("the tar-split has a file of an impossible size")
    return File(str(name or ""), size)


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, last = chunk.split(b"\n")
        if whole:
            yield rest + whole[0]
            yield from whole[1:]
            rest = last
        else:
            rest += last
        if len(rest) > _MAX_LINE:
            raise Doubt("the tar-split has a line that is too long")
    if rest.strip():
        yield rest
