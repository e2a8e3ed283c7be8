"""Compressed pieces of a blob, unpacked within bounds."""

from __future__ import annotations

import threading
import zlib
from typing import TYPE_CHECKING, Any

from lamina.archive.chunked.errors import Doubt

if TYPE_CHECKING:
    from collections.abc import Iterator

_WINDOW = 128 << 20
_CHUNK = 1 << 18
_local = threading.local()  # a decompressor works for one thread at a time


def unzstd(data: bytes, size: int) -> bytes:
    """Frames that are just `size` bytes when unpacked. Doubt when they are not."""
    import zstandard  # 9 ms: only where something is unpacked

    decoder = _decoder()
    try:
        if zstandard.get_frame_parameters(data).content_size == size:
            try:
                out: bytes = decoder.decompress(data, allow_extra_data=False)
                return out
            except zstandard.ZstdError:
                pass  # another frame may follow
        with decoder.stream_reader(data, read_across_frames=True, closefd=False) as stream:
            out = stream.read(size + 1) if size < _CHUNK else b"".join(_upto(stream, size + 1))
    except (zstandard.ZstdError, MemoryError) as error:
        raise Doubt(f"a piece of the layer is damaged: {error}") from None
    if len(out) != size:
        raise Doubt("a piece of the layer has another size than its table of contents says")
    return out


def unzstd_all(data: bytes, limit: int) -> bytes:
    """Frames of any size up to `limit`. Doubt when they are more, or damaged."""
    return b"".join(unzstd_pieces(data, limit))


def unzstd_pieces(data: bytes, limit: int) -> Iterator[bytes]:
    """The same, in pieces."""
    import zstandard  # as above

    decoder = zstandard.ZstdDecompressor(max_window_size=_WINDOW)  # its own: `unzstd` may come in between
    try:
        with decoder.stream_reader(data, read_across_frames=True, closefd=False) as stream:
            while piece := stream.read(_CHUNK):
                limit -= len(piece)
                if limit < 0:
                    raise Doubt("a piece of the layer is larger than it may be")
                yield piece
    except (zstandard.ZstdError, MemoryError) as error:
        raise Doubt(f"a piece of the layer is damaged: {error}") from None


def gunzip(data: bytes, limit: int) -> bytes:
    """Whole gzip members of any size up to `limit`. Doubt when they are more, or damaged."""
    out: list[bytes] = []
    while data:
        decoder = zlib.decompressobj(wbits=31)
        try:
            piece = decoder.decompress(data, limit + 1)
        except zlib.error as error:
            raise Doubt(f"a piece of the layer is damaged: {error}") from None
        limit -= len(piece)
        if limit < 0 or not decoder.eof:
            raise Doubt("a piece of the layer is larger than it may be, or cut short")
        out.append(piece)
        data = decoder.unused_data
    return b"".join(out)


def _decoder() -> Any:
    import zstandard  # as above

    if not hasattr(_local, "decoder"):
        _local.decoder = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    return _local.decoder


def _upto(stream: Any, size: int) -> Iterator[bytes]:
    while size and (piece := stream.read(min(size, _CHUNK))):
        size -= len(piece)
        yield piece
