"""The table of contents of a layer: JSON, one object for each entry and each further chunk of a file.

zstd:chunked took its shape from eStargz, and that from CRFS. It may be long, and whoever wrote it may mean
harm: it is read an entry at a time, and nothing is made of a field before its type and range were looked at.
"""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from lamina.archive.chunked.errors import Doubt

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

MAX_CHUNK = 64 << 20  # bytes of content that are held at once
_MAX_ENTRY = 1 << 20  # characters of one entry
_HEX = frozenset("0123456789abcdef")


class Chunk(NamedTuple):
    """A part of a file: `size` bytes of it, which are unpacked from `start` to `end` of the blob.

    `skip` bytes come before them there. `digest` is in hex, "" where there is none. Zeros need no fetching.
    """

    size: int
    start: int
    end: int
    digest: str = ""
    zeros: bool = False
    skip: int = 0


class Content(NamedTuple):
    """The content of a file that has some; `digest` is in hex, "" where there is none."""

    name: str
    size: int
    digest: str
    chunks: tuple[Chunk, ...]


class Row(NamedTuple):
    """An entry of the table, or a further chunk (`type` "chunk"); `fields` has everything that it says."""

    type: str
    name: str
    size: int
    digest: str
    offset: int
    end: int  # 0 where not said
    chunk_offset: int
    chunk_size: int  # 0 where not said
    chunk_digest: str
    zeros: bool
    inner: int
    fields: Mapping[str, Any]


def read(chunks: Iterable[bytes], each: Callable[[Row], object]) -> dict[str, Any]:
    """Calls `each` with every entry; returns what else the table says. Doubt for what is no such table."""
    found = rows(chunks)
    while True:
        try:
            row = next(found)
        except StopIteration as stop:
            rest: dict[str, Any] = stop.value
            return rest
        each(row)


def rows(chunks: Iterable[bytes]) -> Generator[Row, None, dict[str, Any]]:
    """The entries one by one; it returns what else the table says. Doubt for what is no such table."""
    text = _Text(chunks)
    try:
        for fields in text.entries():
            yield _row(fields)
    except (ValueError, RecursionError) as error:
        raise Doubt(f"the table of contents is not JSON: {str(error)[:100]}") from None
    if text.rest.get("version") != 1:
        raise Doubt("the table of contents has another version than 1")
    return text.rest


class _Text:
    """A JSON object whose member "entries" is given out item by item; `rest` has what else it says.

    ValueError when it is malformed.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._decode = codecs.getincrementaldecoder("utf-8")()
        self._scan = json.JSONDecoder().raw_decode
        self._text = ""
        self._at = 0
        self.rest: dict[str, Any] = {}

    def entries(self) -> Generator[dict[str, Any], None, None]:
        self._want("{")
        while not self._is("}"):
            if self.rest:
                self._want(",")
            key = self._value()
            if type(key) is not str or key in self.rest:
                raise ValueError("a key is given twice, or is no text")
            self._want(":")
            if key == "entries":
                self.rest[key] = None
                yield from self._items()
            else:
                self.rest[key] = self._value()
        if self._peek():
            raise ValueError("something follows the object")

    def _items(self) -> Generator[dict[str, Any], None, None]:
        if self._peek() == "n" and self._value() is None:
            return
        self._want("[")
        first = True
        while not self._is("]"):
            if not first:
                self._want(",")
            first = False
            item = self._value()
            if type(item) is not dict:
                raise ValueError("an entry is no object")
            yield item

    def _value(self) -> Any:
        """The next value; a number stands only where something follows it."""
        self._peek()
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except ValueError:
                if len(self._text) - self._at > _MAX_ENTRY or not self._more():
                    raise
                continue
            if end == len(self._text) and self._more():
                continue
            self._at = end
            return value

    def _want(self, char: str) -> None:
        if not self._is(char):
            raise ValueError(f"{char!r} is missing")

    def _is(self, char: str) -> bool:
        if self._peek() != char:
            return False
        self._at += 1
        return True

    def _peek(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _more(self) -> bool:
        chunk = next(self._chunks, None)
        text = self._decode.decode(chunk or b"", final=chunk is None)
        self._text = self._text[self._at :] + text
        self._at = 0
        return chunk is not None


def _row(fields: dict[str, Any]) -> Row:
    get = fields.get
    texts = kind, name, digest, chunk_digest, chunk_type = (
        get("type", ""),
        get("name", ""),
        get("digest", ""),
        get("chunkDigest", ""),
        get("chunkType", ""),
    )
    if set(map(type, texts)) != {str}:
        raise Doubt("the table of contents has an entry with something else where text should be")
    numbers = (
        get("size", 0),
        get("offset", 0),
        get("endOffset", 0),
        get("chunkOffset", 0),
        get("chunkSize", 0),
        get("innerOffset", 0),
    )
    if set(map(type, numbers)) != {int} or min(numbers) < 0 or max(numbers) >> 62:
        raise Doubt("the table of contents has an entry with what is no number of bytes")
    size, offset, end, chunk_offset, chunk_size, inner = numbers
    return Row(
        kind,
        name,
        size,
        _digest(digest) if digest else "",
        offset,
        end,
        chunk_offset,
        chunk_size,
        _digest(chunk_digest) if chunk_digest else "",
        chunk_type == "zeros",
        inner,
        fields,
    )


def _digest(text: str) -> str:
    """The hex digits of a SHA-256. Doubt for another kind of digest."""
    digits = text.removeprefix("sha256:")
    if len(digits) != 64 or digits == text or not _HEX.issuperset(digits):
        raise Doubt("the table of contents has a digest that is none of SHA-256")
    return digits
