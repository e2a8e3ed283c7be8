"""The files of a layer that have content, and where their chunks are, from the rows of its table."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from lamina.archive.chunked.errors import Doubt
from lamina.archive.chunked.toc import MAX_CHUNK, Chunk, Content, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MAX_FILES = 1_000_000


class Gathering:
    """Takes rows in their order, and makes a list of Content of them. Doubt for what contradicts itself.

    `limit`: where in the blob the layer's files end at the latest.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._files: list[list[Row]] = []
        self._last: Row | None = None

    def add(self, row: Row) -> None:
        """The next row of the table."""
        if row.type == "chunk":
            if not self._files or self._last is None or row.name != self._last.name:
                raise Doubt("the table of contents has a chunk of no file")
            self._files[-1].append(_small(row))
            return
        self._last = None
        if row.type == "reg" and row.size:
            self._last = row
            self._files.append([_small(row)])
            if len(self._files) > _MAX_FILES:
                raise Doubt(f"a table of contents of more than {_MAX_FILES} files is not read")

    def by_end_offsets(self) -> list[Content]:
        """As zstd:chunked says it: a file ends at its endOffset, a chunk where the next one begins."""
        return [self._content(rows, _said(rows[0])) for rows in self._files]

    def by_next_offsets(self) -> list[Content]:
        """As eStargz says it: what begins at an offset goes on to the next higher one, whosever it is."""
        starts = sorted({row.offset for rows in self._files for row in rows})

        def end(row: Row, _: Row | None) -> int:
            at = bisect_right(starts, row.offset)
            return starts[at] if at < len(starts) else self._limit

        return [self._content(rows, end) for rows in self._files]

    def _content(self, rows: Sequence[Row], end_of: Callable[[Row, Row | None], int]) -> Content:
        first = rows[0]
        chunks: list[Chunk] = []
        done = 0
        for at, row in enumerate(rows):
            after = rows[at + 1] if at + 1 < len(rows) else None
            size = (row.chunk_size if len(rows) > 1 else 0) or first.size - done
            end = end_of(row, after)
            if row.chunk_offset != done or size <= 0 or not 0 < row.offset <= end <= self._limit:
                raise Doubt("the table of contents has chunks that do not make a file")
            if not row.zeros and (max(size, row.inner) > MAX_CHUNK or row.offset == end):
                raise Doubt("the table of contents has a chunk that is too large, or nowhere")
            digest = row.chunk_digest or (first.digest if len(rows) == 1 else "")
            chunks.append(Chunk(size, row.offset, end, digest, row.zeros, row.inner))
            done += size
        if done != first.size:
            raise Doubt("the table of contents has chunks that do not make a file")
        return Content(first.name, first.size, first.digest, tuple(chunks))


def _said(first: Row) -> Callable[[Row, Row | None], int]:
    return lambda _, after: first.end if after is None else after.offset


def _small(row: Row) -> Row:
    """What is kept of a row: not all that it says of the file."""
    return row._replace(fields={})
