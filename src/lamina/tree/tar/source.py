"""Source: takes blocks off a stream, in as few reads as possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.tree.tar.content import cut_short
from lamina.tree.tar.errors import TarError
from lamina.tree.tar.header import BLOCK

if TYPE_CHECKING:
    from lamina.tree.tar.content import Readable

_SMALL = 64 << 10  # what is skipped by reading it together with the next header
_PIECE = 1 << 20


class Source:
    """Whole blocks of a stream; every method raises TarError when the stream ends before."""

    __slots__ = ("_read", "_seek")

    def __init__(self, stream: Readable) -> None:
        self._read = stream.read
        seekable = getattr(stream, "seekable", None)
        self._seek = getattr(stream, "seek", None) if seekable is not None and seekable() else None

    def block_after(self, skip: int) -> bytes:
        """The block that follows the next `skip` bytes; b"" when the stream ends there."""
        if skip > _SMALL:
            self._skip(skip)
            skip = 0
        wanted = skip + BLOCK
        data = self._read(wanted)
        if len(data) != wanted:
            data = self._complete(data, wanted)
            if len(data) == skip:
                return b""
            if len(data) != wanted:
                raise cut_short()
        return data[skip:] if skip else data

    def exactly(self, size: int, limit: int) -> bytes:
        """The next `size` bytes. TarError when they are more than `limit`."""
        if size > limit:
            raise TarError(f"a header of {size} bytes, at most {limit} are read")
        data = self._complete(b"", size)
        if len(data) != size:
            raise cut_short()
        return data

    def _complete(self, data: bytes, wanted: int) -> bytes:
        """`data` and what follows up to `wanted` bytes: a read may give less than it was asked for."""
        while len(data) < wanted:
            more = self._read(wanted - len(data))
            if not more:
                break
            data += more
        return data

    def _skip(self, count: int) -> None:
        if self._seek is not None:
            self._seek(count - 1, 1)
            count = 1  # only reading shows whether the stream goes as far
        while count:
            data = self._read(min(count, _PIECE))
            if not data:
                raise cut_short()
            count -= len(data)
