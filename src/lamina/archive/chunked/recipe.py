"""Recipe: how the tar of a layer is put together: what the tables hold of it, and which contents go between.

The tables are kept compressed and are walked anew each time, so a layer of many files takes little memory.
"""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lamina.archive.chunked import tarsplit, toc
from lamina.archive.chunked.contents import Gathering
from lamina.archive.chunked.errors import Doubt
from lamina.archive.chunked.frames import unzstd, unzstd_all, unzstd_pieces
from lamina.archive.chunked.positions import FRAME_HEAD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lamina.archive.chunked.positions import Positions
    from lamina.archive.chunked.toc import Chunk, Content

_MAX_HEADS = 64 << 20  # bytes of headers between two files, unpacked


class Gap(NamedTuple):
    """A part of the blob whose unpacked bytes belong to the tar as they are, but for the first `skip`."""

    start: int
    end: int
    skip: int = 0


class Unpacked(NamedTuple):
    """What a fetched chunk gave: its content, and what follows it in the same frame: the tar goes on so."""

    content: bytes
    after: bytes = b""


class Recipe(Protocol):
    """A layer of which parts can be fetched."""

    contents: Sequence[Content]
    gaps: Sequence[Gap]  # parts that are to be fetched in any case

    def parts(self) -> Iterator[bytes | int | Gap]:
        """The tar in order: bytes as they are, the numbers of `contents`, and gaps. Doubt."""

    def unpack(self, chunk: Chunk, data: bytes) -> Unpacked:
        """The content of a chunk from its bytes of the blob. Doubt when they are not the chunk."""

    def unpack_gap(self, gap: Gap, data: bytes) -> bytes:
        """What a gap holds, from its bytes of the blob. Doubt."""


def size_of(recipe: Recipe) -> int:
    """Bytes of the contents."""
    return sum([content.size for content in recipe.contents])


class ZstdRecipe(Recipe):
    """A zstd:chunked layer, from the bytes of its tables. Doubt for what contradicts itself.

    `data` is the blob from `positions.toc.start` to `positions.end`. A layer without tar-split, as written
    before 2024, has the frames between its files as gaps.
    """

    def __init__(self, positions: Positions, data: bytes) -> None:
        start = positions.toc.start
        packed = data[: positions.toc.length]
        if positions.checksum != "sha256:" + hashlib.sha256(packed).hexdigest():
            raise Doubt("the table of contents is not the one that the manifest names")
        rows = Gathering(start - FRAME_HEAD, ends_said=True)
        rest = toc.read(unzstd_pieces(packed, positions.toc.unpacked), rows.add)
        self.contents: Sequence[Content] = rows.contents()
        self.gaps: Sequence[Gap] = []
        self._split, self._unpacked = b"", 0
        digest, split = rest.get("tarSplitDigest"), positions.tar_split
        if digest and split is not None:
            self._split = data[split.start - start : split.end - start]
            self._unpacked = split.unpacked
            if digest != "sha256:" + hashlib.sha256(self._split).hexdigest():
                raise Doubt("the tar-split is not the one that the table of contents names")
        elif digest:
            raise Doubt("the table of contents wants a tar-split, and there is none")
        else:
            self.gaps = _gaps(self.contents, start - FRAME_HEAD)

    def parts(self) -> Iterator[bytes | int | Gap]:
        if not self._split:
            for number, gap in enumerate(self.gaps):
                yield gap
                if number < len(self.contents):
                    yield number
            return
        count = 0
        for part in tarsplit.read(unzstd_pieces(self._split, self._unpacked)):
            if type(part) is bytes:
                yield part
                continue
            assert type(part) is tarsplit.File
            if part.size:
                self._check(count, part)
                yield count
                count += 1
        if count != len(self.contents):
            raise Doubt("the tar-split has other files than the table of contents")

    def _check(self, number: int, file: tarsplit.File) -> None:
        """The tables are in one order; their writers sort neither."""
        if number >= len(self.contents):
            raise Doubt("the tar-split has other files than the table of contents")
        content = self.contents[number]
        if content.size != file.size or (file.name and file.name != content.name):
            raise Doubt(f"the tar-split and the table of contents differ about {json.dumps(file.name)[:200]}")

    def unpack(self, chunk: Chunk, data: bytes) -> Unpacked:
        content = unzstd(data, chunk.size)
        check(chunk, content)
        return Unpacked(content)

    def unpack_gap(self, gap: Gap, data: bytes) -> bytes:
        return unzstd_all(data, gap.skip + _MAX_HEADS)[gap.skip :]


def check(chunk: Chunk, content: bytes) -> None:
    """Doubt when `content` is not what the chunk should be."""
    if chunk.digest and hashlib.sha256(content).hexdigest() != chunk.digest:
        raise Doubt("a piece of the layer is not what its table of contents says")


def _gaps(contents: Sequence[Content], limit: int) -> list[Gap]:
    """The parts of the blob that are in no content, of which there must be one before each."""
    gaps, at = [], 0
    for content in contents:
        chunks = content.chunks
        if chunks[0].start <= at or any(a.end != b.start for a, b in pairwise(chunks)):
            raise Doubt("the files of the table of contents are not one after the other in the blob")
        gaps.append(Gap(at, chunks[0].start))
        at = chunks[-1].end
    return [*gaps, Gap(at, limit)]
