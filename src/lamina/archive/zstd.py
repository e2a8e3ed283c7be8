"""A decoder of one zstd frame that gives little at a time: four bytes of a frame can stand for 128 KiB.

python-zstandard has no bound for what one call gives. So the frame is cut between its blocks, whose headers
say where they end (RFC 8878, 3.1.1), and a few of them are decoded at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_BLOCKS = 8  # decoded at a time: at most 1 MiB
_MAGIC = b"\x28\xb5\x2f\xfd"
_LAST, _TYPE, _RLE = 1, 6, 2  # bits of a block's header
_FOREVER = 1 << 62


class Decompressor(Protocol):
    """What `zstandard.ZstdDecompressor().decompressobj()` gives."""

    @property
    def eof(self) -> bool:
        """Whether the frame ended."""

    @property
    def unused_data(self) -> bytes:
        """What came after its end."""

    def decompress(self, data: memoryview, /) -> bytes:
        """All that the next bytes stand for."""


class Frame:
    """One frame; the interface of Python's other decompressors."""

    def __init__(self, decompressor: Decompressor) -> None:
        self._decompressor = decompressor
        self._waiting = memoryview(b"")  # input that was not decoded yet
        self._blocks = _Blocks()

    @property
    def eof(self) -> bool:
        """Whether the frame ended."""
        return self._decompressor.eof

    @property
    def unused_data(self) -> bytes:
        """What came after its end."""
        return self._decompressor.unused_data + bytes(self._waiting)

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """Takes more input; returns some output, and whether there may be more without further input."""
        if data:
            self._waiting = memoryview(bytes(self._waiting) + data)
        end = self._blocks.cut(self._waiting)
        part, self._waiting = self._waiting[:end], self._waiting[end:]
        out = self._decompressor.decompress(part)
        return out, bool(self._waiting) and not self._decompressor.eof


class _Blocks:
    """Walks over a frame, however it is cut. What is wrong with it the decoder says."""

    def __init__(self) -> None:
        self._head = b""  # the header that is being read
        self._need = 4  # bytes of it
        self._skip = 0  # bytes until the next one
        self._read: Callable[[bytes], int] = self._magic
        self._checksum = 0

    def cut(self, data: memoryview) -> int:
        """How many bytes of `data` to decode now: not more than those of _BLOCKS blocks, and a header."""
        at = blocks = 0
        while at < len(data) and blocks <= _BLOCKS:
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
            else:
                step = min(self._need - len(self._head), len(data) - at)
                self._head += data[at : at + step]
                if len(self._head) == self._need:
                    head, self._head = self._head, b""
                    blocks += self._read(head)
            at += step
        return at

    # Each takes a header and sets what comes next; returns how many blocks begin.

    def _magic(self, head: bytes) -> int:
        if head == _MAGIC:
            self._need, self._read = 1, self._descriptor
        else:
            self._need, self._read = 4, self._skippable
        return 0

    def _skippable(self, head: bytes) -> int:
        self._skip = int.from_bytes(head, "little")
        self._read = self._end
        return 0

    def _descriptor(self, head: bytes) -> int:
        flags = head[0]
        single = flags >> 5 & 1
        size = (single, 2, 4, 8)[flags >> 6]
        self._checksum = (flags >> 2 & 1) * 4
        self._skip = (1 - single) + (0, 1, 2, 4)[flags & 3] + size
        self._need, self._read = 3, self._block
        return 0

    def _block(self, head: bytes) -> int:
        bits = int.from_bytes(head, "little")
        self._skip = 1 if bits & _TYPE == _RLE else bits >> 3
        if bits & _LAST:
            self._skip += self._checksum
            self._need, self._read = 1, self._end
        return 1

    def _end(self, _: bytes) -> int:
        """What follows is not of this frame, and the decoder leaves it."""
        self._skip = _FOREVER
        return 0
