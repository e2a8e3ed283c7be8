"""pack: a committed layer as the tar that its diff ID names."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, BinaryIO, cast

from lamina.archive.compression import CHUNK, decompressed
from lamina.db import layerdb
from lamina.db.listing import listing
from lamina.errors import Corrupt
from lamina.fs.folders import Folders
from lamina.layers.absent import bring
from lamina.layers.difffiles import content
from lamina.tree.entry import Kind
from lamina.tree.tar.header import padding
from lamina.tree.tar.write import TarWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID, Digest
    from lamina.tree.entry import Entry


def pack(ctx: Layers, diff_id: DiffID, sink: Callable[[bytes], object]) -> int:
    """Writes the uncompressed tar of a layer to `sink`; returns its size in bytes.

    NotFound when the store does not have the layer. Corrupt when what was written is not what `diff_id`
    names; the sink has it by then.
    """
    size = 0
    for chunk in packed(ctx, diff_id):
        sink(chunk)
        size += len(chunk)
    return size


def packed(ctx: Layers, diff_id: DiffID) -> Generator[bytes, None, None]:
    """The same as pieces; after the last one Corrupt is raised when they are not what `diff_id` names."""
    bring(ctx, [diff_id])
    diff = layerdb.need_diff(ctx.db.read(), diff_id)
    pieces = _from_rows(ctx, diff_id) if diff.blob is None else _from_blob(ctx, diff.blob)
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        yield piece
    if digest.hexdigest() != diff_id[7:]:
        raise _damaged(diff_id, "its files are not those that were committed")


def _damaged(diff_id: DiffID, what: str) -> Corrupt:
    hint = "remove the images and the build cache that have it, then load or build them again"
    return Corrupt(f"layer {diff_id} is damaged: {what}", hint=hint)


def open_packed(ctx: Layers, diff_id: DiffID) -> BinaryIO:
    """The same as a stream; the read that meets its end raises Corrupt if the bytes were not right."""
    return cast("BinaryIO", io.BufferedReader(Pieces(packed(ctx, diff_id)), CHUNK))


def _from_blob(ctx: Layers, blob: Digest) -> Iterator[bytes]:
    """The layer as it was received."""
    with ctx.blobs.open(blob) as stream, decompressed(stream)[0] as plain:
        while chunk := plain.read(CHUNK):
            yield chunk


def _from_rows(ctx: Layers, diff_id: DiffID) -> Iterator[bytes]:
    """The canonical tar: metadata from the rows, content from the disk."""
    try:
        with Folders(ctx.layout.diff_dir(diff_id)) as folders:
            yield from canonical_pieces(folders, listing(ctx.db.read(), diff_id))
    except OSError as error:
        raise _damaged(diff_id, f"it cannot be read: {error.strerror}") from error
    except Corrupt as error:
        raise _damaged(diff_id, error.message) from error


def canonical_pieces(folders: Folders, entries: Iterable[Entry]) -> Iterator[bytes]:
    """The canonical tar of `entries`, in pieces; content comes from the files below `folders`.

    Content that is longer or shorter than its entry says is an error: Corrupt, TarError; OSError.
    """
    pieces: list[bytes] = []
    writer = TarWriter(pieces.append, exact=True)
    for entry in entries:
        writer.add(entry)
        if entry.kind is Kind.FILE and entry.size:
            for chunk in content(folders, entry):
                writer.data(chunk)
                yield from pieces
                pieces.clear()
        elif pieces:
            yield from pieces
            pieces.clear()
    writer.finish()
    yield from pieces


def canonical_size(entries: Iterable[Entry]) -> int:
    """Bytes of the canonical tar of `entries`."""
    writer = TarWriter(lambda _: None, exact=True)
    size = 0
    for entry in entries:
        writer.add(entry._replace(size=0) if entry.kind is Kind.FILE else entry)
        if entry.kind is Kind.FILE:
            size += entry.size + padding(entry.size)
    writer.finish()
    return writer.written + size


class Pieces(io.RawIOBase):
    """A stream over pieces of bytes, which ends them when it is closed."""

    def __init__(self, pieces: Generator[bytes, None, None]) -> None:
        self._pieces = pieces
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._pieces.close()  # what it reads from
        super().close()

    def readinto(self, buffer: object) -> int:
        while not self._piece:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._piece = memoryview(piece)
        view = memoryview(cast("bytearray", buffer)).cast("B")
        n = min(len(view), len(self._piece))
        view[:n] = self._piece[:n]
        self._piece = self._piece[n:]
        return n
