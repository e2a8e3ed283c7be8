"""similar: chunks of a large file that changed, found in the file that has its name here.

A chunk is looked for where it is in the new file, counted from its beginning and from its end: so what was
changed in place, or in one place put in or taken out, leaves the rest to be found. Chunks have digests, so
whoever cut them, and however, does not matter.
"""

from __future__ import annotations

import hashlib
import os
from itertools import accumulate
from posixpath import normpath
from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import Corrupt
from lamina.transfer.delta.present import Place, at_paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import BinaryIO

    from lamina.archive.chunked.toc import Chunk, Content
    from lamina.layers.context import Layers

_MOST = 200  # files that are looked at, the largest
_SAMPLES = 3  # and one more are looked at first: a file that is wholly another costs little then
_SMALLEST = 512 << 10  # bytes of one


class Piece(NamedTuple):
    """Bytes of a file that is here, from `offset` on."""

    place: Place
    offset: int


def find_chunks(
    ctx: Layers, contents: Sequence[Content], have: Mapping[str, Place]
) -> dict[tuple[int, int], Piece]:
    """Where chunks are, by the number of the content and of the chunk; of contents that are not in `have`."""
    wanted = [
        number
        for number, content in enumerate(contents)
        if content.digest not in have and len(content.chunks) > 1 and content.size >= _SMALLEST
    ]
    wanted = sorted(wanted, key=lambda number: -contents[number].size)[:_MOST]
    paths = {number: normpath(contents[number].name).lstrip("/").encode() for number in wanted}
    there = at_paths(ctx, set(paths.values()))
    found: dict[tuple[int, int], Piece] = {}
    for number in wanted:
        for place in there.get(paths[number], ()):
            pieces = _in_file(ctx, place, contents[number])
            found |= {(number, chunk): piece for chunk, piece in pieces.items()}
            if pieces:
                break
    return found


def read(ctx: Layers, piece: Piece, chunk: Chunk) -> bytes:
    """The bytes of a chunk; b"" when they are not there any more."""
    try:
        with ctx.open_file(piece.place.diff_id, piece.place.path) as file:
            data = _at(file, piece.offset, chunk.size)
    except (Corrupt, OSError):
        return b""
    return data if hashlib.sha256(data).hexdigest() == chunk.digest else b""


def _in_file(ctx: Layers, place: Place, content: Content) -> dict[int, Piece]:
    """The chunks of a content that one file has."""
    found: dict[int, Piece] = {}
    try:
        with ctx.open_file(place.diff_id, place.path) as file:
            shift = os.fstat(file.fileno()).st_size - content.size
            starts = list(accumulate([chunk.size for chunk in content.chunks], initial=0))

            def look(number: int) -> bool:
                chunk, at = content.chunks[number], starts[number]
                for offset in (at, at + shift) if shift else (at,):
                    if chunk.digest and not chunk.zeros and _is_there(file, offset, chunk):
                        found[number] = Piece(place, offset)
                        return True
                return False

            last = len(content.chunks) - 1
            if any(look(last * part // _SAMPLES) for part in range(_SAMPLES + 1)):
                for number in range(last + 1):
                    look(number)
    except (Corrupt, OSError):
        pass  # what was found is verified when it is read
    return found


def _is_there(file: BinaryIO, offset: int, chunk: Chunk) -> bool:
    if offset < 0:
        return False
    data = _at(file, offset, chunk.size)
    return len(data) == chunk.size and hashlib.sha256(data).hexdigest() == chunk.digest


def _at(file: BinaryIO, offset: int, size: int) -> bytes:
    return os.pread(file.fileno(), size, offset)
