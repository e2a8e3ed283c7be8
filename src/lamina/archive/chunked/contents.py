"""The files of a layer that have content, and where their chunks are, from the rows of its table."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from lamina.archive.chunked.errors import Doubt
from lamina.archive.chunked.toc import MAX_CHUNK, Chunk, Content

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.archive.chunked.toc import Row


class Gathering:
    """Takes rows in their order, and makes a list of Content of them. Doubt for what contradicts itself.

    `limit`: where in the blob the layer's files end at the latest. `ends_said`: a file ends at its endOffset,
    a chunk where the next one begins, as zstd:chunked has it. Else what begins at an offset goes on to the
    next higher one, whosever it is, as in eStargz.
    """

    def __init__(self, limit: int, *, ends_said: bool) -> None:
        self._limit = limit
        self._ends_said = ends_said
        self._rows: list[Row] = []  # of the file that is not complete
        self._contents: list[Content] = []

    def add(self, row: Row) -> None:
        """The next row of the table."""
        if row.type == "chunk":
            if not self._rows or row.name != self._rows[0].name:
                raise Doubt("the table of contents has a chunk of no file")
            self._rows.append(row)
            return
        self._complete()
        if row.type == "reg" and row.size:
            self._rows.append(row)

    def contents(self) -> list[Content]:
        """All files that have content."""
        self._complete()
        found = self._contents
        if not self._ends_said:
            starts = sorted({chunk.start for content in found for chunk in content.chunks})
            for number, content in enumerate(found):
                found[number] = content._replace(
                    chunks=tuple([self._ended(each, starts) for each in content.chunks])
                )
        return found

    def _complete(self) -> None:
        if self._rows:
            self._contents.append(self._content(self._rows))
            self._rows.clear()

    def _content(self, rows: Sequence[Row]) -> Content:
        first = rows[0]
        chunks: list[Chunk] = []
        done = 0
        for at, row in enumerate(rows):
            size = (row.chunk_size if len(rows) > 1 else 0) or first.size - done
            if row.chunk_offset != done or size <= 0 or (not row.zeros and max(size, row.inner) > MAX_CHUNK):
                raise Doubt("the table of contents has chunks that do not make a file")
            digest = row.chunk_digest or (first.digest if len(rows) == 1 else "")
            end = rows[at + 1].offset if at + 1 < len(rows) else first.end
            chunk = Chunk(
                size, row.offset, end if self._ends_said else self._limit, digest, row.zeros, row.inner
            )
            chunks.append(self._checked(chunk))
            done += size
        if done != first.size:
            raise Doubt("the table of contents has chunks that do not make a file")
        return Content(first.name, first.size, first.digest, tuple(chunks))

    def _ended(self, chunk: Chunk, starts: list[int]) -> Chunk:
        at = bisect_right(starts, chunk.start)
        return chunk._replace(end=starts[at]) if at < len(starts) else chunk

    def _checked(self, chunk: Chunk) -> Chunk:
        start, end = chunk.start, chunk.end
        if not 0 < start <= end <= self._limit or (start == end and not chunk.zeros):
            raise Doubt("the table of contents has a chunk that is nowhere in the blob")
        return chunk
