"""ChunkedWriter: a tar as a zstd:chunked layer, of which others fetch only the files that they lack.

Every zstd reader unpacks it to the same tar. Each head, each file and each chunk of a large file is a frame;
after them come the table of contents and the tar-split, in frames that readers skip. Which place these have
goes into the annotations of the layer's descriptor; without them the layer is an ordinary one.

    writer = ChunkedWriter(sink)
    for piece in tar: writer.write(piece)      # the sink is called while pieces come
    writer.finish()
    descriptor = descriptor._replace(annotations={**descriptor.annotations, **writer.annotations})

The same tar gives the same bytes, by the same version of zstd and the same level (`MAKER`).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from lamina.archive.chunked import positions, tarsplit
from lamina.archive.chunked.compressing import Frame, Frames
from lamina.archive.chunked.crc64 import Crc64
from lamina.archive.chunked.entry import Unusual, clean, encoded, fields
from lamina.archive.chunked.positions import FRAME_HEAD, Position, Positions
from lamina.archive.chunked.walk import Head, Walk

if TYPE_CHECKING:
    from collections.abc import Callable

MAKER = "zstd:chunked 1"  # our own form: raise it when the same tar becomes other bytes
LEVEL = 3
CHUNK = 1 << 18  # bytes of a large file that have a digest, and can be fetched, by themselves
_REST = 1 << 20  # bytes of a frame of what is told apart no more


class ChunkedWriter:
    """Takes the bytes of a tar, however they are cut, and calls `sink` with those of the layer.

    TarError from `write` and `finish` for what is no tar. Use it in a `with` block: it may have threads.
    `annotations` are there after `finish`; none for a tar that other tools could understand differently
    (sparse files, a path given twice, names that are not UTF-8): that one becomes plain zstd.
    """

    def __init__(self, sink: Callable[[bytes], object], level: int | None = None) -> None:
        import zstandard  # 9 ms: only where something is compressed

        level = LEVEL if level is None else level
        toc, split = [_Packed(zstandard.ZstdCompressor(level=level).compressobj()) for _ in range(2)]
        self._sink = sink
        self._frames = Frames(level, sink)
        self._tables = _Tables(toc, split)
        self._layer = _Layer(self._frames, self._tables)
        self._walk = Walk(self._layer)
        self.annotations: dict[str, str] = {}

    def __enter__(self) -> ChunkedWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, data: bytes) -> int:
        """Takes the next bytes of the tar."""
        self._walk.feed(data)
        return len(data)

    def finish(self) -> None:
        """Writes what is pending, the tables and the footer."""
        self._walk.finish()
        self._layer.finish()
        self._frames.finish()
        self.close()
        if self._tables.unusual:
            return
        toc, split = self._tables.finish()
        start = self._frames.written + FRAME_HEAD
        place = Position(start, len(toc.data), toc.unpacked)
        found = Positions(
            toc.checksum, place, Position(place.end + FRAME_HEAD, len(split.data), split.unpacked)
        )
        self._sink(positions.skippable(toc.data) + positions.skippable(split.data) + positions.footer(found))
        self.annotations = positions.notes_of(found)

    def close(self) -> None:
        """Ends the threads."""
        self._frames.close()


class _Packed:
    """A table as it is compressed, a line at a time."""

    def __init__(self, compressor: Any) -> None:
        self._compressor = compressor
        self._pending: list[bytes] = []
        self._size = 0
        self._out: list[bytes] = []
        self.unpacked = 0

    def add(self, data: bytes) -> None:
        self.unpacked += len(data)
        self._size += len(data)
        self._pending.append(data)
        if self._size > 1 << 16:
            self._flush()

    def _flush(self) -> None:
        self._out.append(self._compressor.compress(b"".join(self._pending)))
        self._pending.clear()
        self._size = 0

    def finish(self) -> None:
        self._flush()
        self._out.append(self._compressor.flush())
        self.data = b"".join(self._out)
        self.checksum = "sha256:" + hashlib.sha256(self.data).hexdigest()


class _Tables:
    """The table of contents and the tar-split; neither is of use once an entry was `unusual`."""

    def __init__(self, toc: _Packed, split: _Packed) -> None:
        self._toc = toc
        self._split = split
        self._lines = tarsplit.Lines()
        self._names: set[int] = set()  # hashes of 64 bits, which take a third of the memory
        self._separator = b'{"version":1,"entries":['
        self.unusual = False

    def entry(self, head: Head) -> dict[str, Any]:
        """What the table is to say of an entry. Unusual."""
        if head.is_global:
            raise Unusual("a header for all entries")
        found = fields(head.header, head.records)
        name = hash(clean(found["name"]))
        if name in self._names:
            raise Unusual("two entries of one path")
        self._names.add(name)
        return found

    def piece(self, data: bytes) -> None:
        """A piece of the tar that is no content."""
        self._split.add(self._lines.piece(data))

    def file(self, name: str, size: int, checksum: bytes) -> None:
        """What the tar-split says in place of content."""
        self._split.add(self._lines.file(name, size, checksum))

    def row(self, found: dict[str, Any]) -> None:
        """What the table says of an entry, or of a chunk."""
        self._toc.add(self._separator + encoded(found))
        self._separator = b","

    def finish(self) -> tuple[_Packed, _Packed]:
        """Both, complete."""
        self._split.finish()
        start = b"" if self._separator == b"," else self._separator
        self._toc.add(start + b'],"tarSplitDigest":"%b"}' % self._split.checksum.encode())
        self._toc.finish()
        return self._toc, self._split


class _Layer:
    """Makes frames and rows of what a walk tells (walk.Visitor)."""

    def __init__(self, frames: Frames, tables: _Tables) -> None:
        self._frames = frames
        self._tables = tables
        self._entry: dict[str, Any] = {}
        self._rest = bytearray()
        self._begin(0)

    def _begin(self, size: int) -> None:
        self._size = size
        self._whole = hashlib.sha256()
        self._crc = Crc64()
        self._pending: list[bytes] = []
        self._gathered = 0  # bytes in _pending
        self._chunks: list[tuple[Frame, int, str]] = []  # with size and digest

    def head(self, head: Head) -> int:
        try:
            self._entry = self._tables.entry(head)
        except Unusual:
            self._tables.unusual = True
            self.rest(head.raw)
            return -1
        self._frames.add(head.raw)
        self._tables.piece(head.raw)
        self._begin(head.header.size)
        return self._size

    def content(self, data: bytes) -> None:
        while self._gathered + len(data) > CHUNK:
            taken = CHUNK - self._gathered
            self._add(data[:taken])
            self._cut()
            data = data[taken:]
        self._add(data)

    def _add(self, data: bytes) -> None:
        if data:
            self._pending.append(data)
            self._gathered += len(data)

    def _cut(self) -> None:
        """A chunk is complete."""
        data = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
        self._pending.clear()
        self._gathered = 0
        self._crc.update(data)
        self._whole.update(data)
        digest = "sha256:" + hashlib.sha256(data).hexdigest() if self._size > CHUNK else ""
        self._chunks.append((self._frames.add(bytes(data)), len(data), digest))
        self._frames.then(_nothing)

    def end(self) -> None:
        if self._gathered:
            self._cut()
        entry, chunks, tables = self._entry, self._chunks, self._tables
        checksum = b""
        if chunks:
            checksum = self._crc.digest()
            entry["digest"] = "sha256:" + self._whole.hexdigest()
        tables.file(entry["name"], self._size, checksum)
        self._frames.then(lambda: _describe(tables, entry, chunks))

    def rest(self, data: bytes) -> None:
        self._rest += data
        if len(self._rest) >= _REST:
            whole = len(self._rest) - len(self._rest) % _REST
            for at in range(0, whole, _REST):
                self._put_rest(bytes(self._rest[at : at + _REST]))
            del self._rest[:whole]

    def finish(self) -> None:
        """Nothing follows."""
        if self._rest:
            self._put_rest(bytes(self._rest))

    def _put_rest(self, data: bytes) -> None:
        if not self._tables.unusual and data.strip(b"\0"):
            self._tables.unusual = True
        self._frames.add(data)
        self._frames.then(_nothing)
        self._tables.piece(data)


def _describe(tables: _Tables, entry: dict[str, Any], chunks: list[tuple[Frame, int, str]]) -> None:
    """The rows of a file whose frames were written."""
    if chunks:
        entry |= {"offset": chunks[0][0].start, "endOffset": chunks[-1][0].end}
    if len(chunks) < 2:
        tables.row(entry)
        return
    done = 0
    for frame, size, digest in chunks:
        row = {"type": "chunk", "name": entry["name"], "offset": frame.start} if done else entry
        row["chunkSize"] = size
        if done:
            row["chunkOffset"] = done
        row["chunkDigest"] = digest
        tables.row(row)
        done += size


def _nothing() -> None:
    """What is to be done after a frame that has no entry."""
