"""write_content: bytes, an open file or chunks into a new file, hashed on the way; zeros become holes."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, cast

from lamina.fs.copy import write_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

BLOCK = 1024 * 1024  # bytes asked for at a time
_SHORTEST_HOLE = 64 * 1024
_SOME_ZEROS = bytes(64)


def write_content(fd: int, content: bytes | BinaryIO | Iterable[bytes]) -> tuple[int, str]:
    """Writes `content` to the empty file `fd`; returns its size and its SHA-256 in hex."""
    if isinstance(content, bytes) and len(content) < _SHORTEST_HOLE:
        if content:
            write_all(fd, content, 0)
        return len(content), hashlib.sha256(content).hexdigest()
    digest = hashlib.sha256()
    position = end = 0
    for chunk in _chunks(content):
        digest.update(chunk)
        if len(chunk) < _SHORTEST_HOLE or not _all_zero(chunk):
            write_all(fd, chunk, position)
            end = position + len(chunk)
        position += len(chunk)
    if end < position:
        os.ftruncate(fd, position)
    return position, digest.hexdigest()


def _chunks(content: bytes | BinaryIO | Iterable[bytes]) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
    elif hasattr(content, "read"):
        read = cast("BinaryIO", content).read
        while chunk := read(BLOCK):
            yield chunk
    else:
        yield from content


def _all_zero(chunk: bytes) -> bool:
    # The first bytes tell almost always, and spare the comparison.
    return chunk.startswith(_SOME_ZEROS) and chunk == bytes(len(chunk))
