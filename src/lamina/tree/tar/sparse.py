"""Sparse files: GNU's old header and its PAX formats 0.0, 0.1 and 1.0 (GNU tar manual, Sparse Formats)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.tree.tar.content import Content, SparseContent
from lamina.tree.tar.decode import octal
from lamina.tree.tar.errors import TarError
from lamina.tree.tar.pax import Pax, number

if TYPE_CHECKING:
    from lamina.tree.tar.source import Source

_PAIR = 24  # bytes of an offset and a length in the old format
_BLOCK = 512
_TOO_LONG = "the map of a sparse file is longer than {} bytes"


def old_gnu(block: bytes, source: Source, data: Content, limit: int) -> tuple[int, SparseContent]:
    """Size and content from a header of type S; the blocks that continue its map come first in `source`."""
    real_size = octal(block[483:495])
    chunks, more = _pairs(block[386:482]), block[482]
    while more:
        block = source.exactly(_BLOCK, _BLOCK)
        chunks += _pairs(block[:504])
        more = block[504]
        if len(chunks) * _PAIR > 2 * limit:
            raise TarError(_TOO_LONG.format(limit))
    return real_size, _content(chunks, real_size, data)


def from_pax(pax: Pax, data: Content, limit: int) -> tuple[int, SparseContent]:
    """Size and content from GNU.sparse.* records. TarError for a version that is not known."""
    records = pax.sparse
    version = (records.get(b"major", b"0"), records.get(b"minor", b""))
    size_text = records.get(b"realsize") or records.get(b"size") or b""
    real_size = number(b"GNU.sparse.size", size_text)
    if version == (b"1", b"0"):
        chunks = _map_in_data(data, limit)
    elif version[0] == b"0" and version[1] in (b"", b"0", b"1"):
        chunks = list(pax.chunks)
        if b"map" in records:
            listed = records[b"map"].split(b",") if records[b"map"] else []
            chunks += [number(b"GNU.sparse.map", item) for item in listed]
        if number(b"GNU.sparse.numblocks", records.get(b"numblocks", b"")) * 2 != len(chunks):
            raise TarError("the map of a sparse file is incomplete")
    else:
        raise TarError("a sparse file in a format that is not known")
    return real_size, _content(chunks, real_size, data)


def _content(chunks: list[int], real_size: int, data: Content) -> SparseContent:
    """Checks that the chunks are in order, within `real_size`, and come to just the data that follows."""
    parts: list[int] = []
    at = 0
    if len(chunks) % 2:
        raise TarError("the map of a sparse file is incomplete")
    for offset, length in zip(chunks[::2], chunks[1::2], strict=True):
        if offset < at or offset + length > real_size:
            raise TarError("the map of a sparse file contradicts its size")
        parts += (offset - at, length)
        at = offset + length
    if sum(chunks[1::2]) != data.left:
        raise TarError("the map of a sparse file does not fit the data that follows")
    return SparseContent(data, [*parts, real_size - at, 0])


def _map_in_data(data: Content, limit: int) -> list[int]:
    """Format 1.0: the number of chunks, then offsets and lengths, each on a line, padded to a block."""
    text, lines, wanted = b"", 0, 1
    while lines < wanted:
        block = _whole_block(data)
        text += block
        if len(text) > limit:
            raise TarError(_TOO_LONG.format(limit))
        lines += block.count(b"\n")
        if wanted == 1 and lines:
            wanted += 2 * number(b"GNU.sparse.numblocks", text.partition(b"\n")[0])
    return [number(b"GNU.sparse.map", line) for line in text.split(b"\n")[1:wanted]]


def _whole_block(data: Content) -> bytes:
    block = b""
    while len(block) < _BLOCK:
        piece = data.read(_BLOCK - len(block))
        if not piece:
            raise TarError("the map of a sparse file is incomplete")
        block += piece
    return block


def _pairs(table: bytes) -> list[int]:
    found: list[int] = []
    for at in range(0, len(table), _PAIR):
        if not table[at]:
            break
        found += (octal(table[at : at + 12]), octal(table[at + 12 : at + 24]))
    return found
