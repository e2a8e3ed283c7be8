"""Readers of one entry's content: never past its end, zeros for the holes of a sparse file."""

from __future__ import annotations

from typing import Protocol

from lamina.tree.tar.errors import TarError

_PIECE = 1 << 20


class Readable(Protocol):
    """What an archive is read from, and what the content of an entry is: anything with `read`."""

    def read(self, n: int = -1, /) -> bytes:
        """At most `n` bytes, all that is left when negative; b"" at the end only."""
        ...


class Content:
    """The next `left` bytes of an archive. To be read before the next entry is asked for."""

    __slots__ = ("_read", "left")

    def __init__(self, stream: Readable, size: int) -> None:
        self._read = stream.read
        self.left = size

    def read(self, n: int = -1, /) -> bytes:
        """At most `n` bytes, all that is left when negative. TarError when the archive ends before."""
        if n < 0:
            return b"".join(iter(self._piece, b""))
        left = self.left
        data = self._read(n if n < left else left) if n and left else b""
        self.left = left - len(data)
        if not data and n and left:
            raise cut_short()
        return data

    def _piece(self) -> bytes:
        return self.read(_PIECE)


class SparseContent:
    """A sparse file as it reads: `parts` are the lengths of hole, data, hole, data ... of its whole size."""

    __slots__ = ("_parts", "data")

    def __init__(self, data: Content, parts: list[int]) -> None:
        self.data = data
        self._parts = parts[::-1]  # the current one is last; holes have an even number from the end

    def read(self, n: int = -1, /) -> bytes:
        """At most `n` bytes, all that is left when negative. TarError when the archive ends before."""
        if n < 0:
            return b"".join(iter(self._piece, b""))
        parts = self._parts
        while parts and not parts[-1]:
            parts.pop()
        if not parts or not n:
            return b""
        is_hole = len(parts) % 2 == 0  # there is an even number of parts, and a hole comes first
        data = bytes(min(n, parts[-1], _PIECE)) if is_hole else self.data.read(min(n, parts[-1]))
        parts[-1] -= len(data)
        return data

    def _piece(self) -> bytes:
        return self.read(_PIECE)


def cut_short() -> TarError:
    """The error for an archive that ends where more was announced."""
    return TarError("the archive is cut short")
