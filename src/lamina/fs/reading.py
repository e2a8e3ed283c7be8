"""head: the beginning of a file that is read without a buffer, as those of layers are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

_CHUNK = 1 << 20


def head(stream: BinaryIO, most: int) -> bytes:
    """The first `most` bytes, or all where there are fewer: one read() may give less. OSError."""
    parts: list[bytes] = []
    while most > 0 and (part := stream.read(min(most, _CHUNK))):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)
