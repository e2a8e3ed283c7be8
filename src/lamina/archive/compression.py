"""Compressed streams: told apart by their first bytes, read within limits, written the same way always."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol, cast

from lamina.errors import InvalidInput, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.archive.zstd import Decompressor

CHUNK = 1 << 18  # bytes read from a stream at a time
BLOCK = 1 << 20  # what the compressor is fed: isal's output depends on how the input is cut
LEVEL = 2  # of isal: 0 to 3
MAGIC_SIZE = 6  # bytes that `detect` needs
_SIP = 16  # bytes at a time, where only the beginning is wanted

_MAGIC = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
)
_XZ_MEMORY = 256 << 20
_ZSTD_WINDOW = 128 << 20


class Limits(NamedTuple):
    """How much a stream may grow: `free` bytes in any case, beyond that `ratio` times what was read."""

    free: int = 1 << 30
    ratio: int = 400
    total: int = 1 << 42


class _Decoder(Protocol):
    """What the decompressors of gzip, bzip2, xz and zstd have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


class Codec(NamedTuple):
    """One decompressor: how it is made, fed, and what it raises on bad input.

    `feed(decoder, data)` returns bytes and whether the decoder can give more without further input.
    """

    make: Callable[[], _Decoder]
    feed: Callable[[_Decoder, bytes], tuple[bytes, bool]]
    errors: tuple[type[Exception], ...]
    step: int = CHUNK  # bytes of input at a time: bounds what one call can give where nothing else does


def detect(head: bytes) -> str:
    """Names the compression of a stream from its first MAGIC_SIZE bytes; "" for none."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[:4] in _SKIPPABLE:
        return "zstd"
    return ""


_SKIPPABLE = {bytes((0x50 + i, 0x2A, 0x4D, 0x18)) for i in range(16)}  # zstd frames that carry no content


def _gzip() -> Codec:
    from isal import isal_zlib  # 4 ms: only where something is decompressed

    def feed(decoder: _Decoder, data: bytes) -> tuple[bytes, bool]:
        out: bytes = decoder.decompress(decoder.unconsumed_tail + data, BLOCK)  # type: ignore[attr-defined]
        return out, bool(decoder.unconsumed_tail) or len(out) == BLOCK  # type: ignore[attr-defined]

    error = cast("type[Exception]", isal_zlib.error)
    return Codec(lambda: isal_zlib.decompressobj(wbits=31), feed, (error,))


def _zstd() -> Codec:
    import zstandard  # 9 ms: as above

    from lamina.archive.zstd import Frame  # as above

    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)

    def make() -> Frame:
        return Frame(cast("Decompressor", decompressor.decompressobj()))

    return Codec(make, lambda frame, data: cast("Frame", frame).feed(data), (zstandard.ZstdError,))


def _bounded(make: Callable[[], _Decoder], error: type[Exception]) -> Codec:
    """bz2 and lzma share one interface: max_length and needs_input."""

    def feed(decoder: _Decoder, data: bytes) -> tuple[bytes, bool]:
        out: bytes = decoder.decompress(data, BLOCK)  # type: ignore[attr-defined]
        return out, not decoder.needs_input and not decoder.eof  # type: ignore[attr-defined]

    return Codec(make, feed, (error, OSError, EOFError))


def _xz() -> Codec:
    import lzma

    return _bounded(lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY), lzma.LZMAError)


def _bzip2() -> Codec:
    import bz2

    return _bounded(bz2.BZ2Decompressor, ValueError)


_CODECS: dict[str, Callable[[], Codec]] = {"gzip": _gzip, "zstd": _zstd, "xz": _xz, "bzip2": _bzip2}


class _Raw(io.RawIOBase):
    """The decompressed bytes, in chunks; `seen` gets each chunk once, in order."""

    def __init__(self, stream: BinaryIO, head: bytes, seen: Callable[[bytes], object] | None, limits: Limits):
        self._stream = stream
        self._seen = seen
        self._limits = limits
        self._input = head
        self._taken = len(head)
        self._given = 0
        self._chunk = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        if not self._chunk:
            data = self._produce()
            self._account(data)
            self._chunk = memoryview(data)
        view = memoryview(cast("bytearray", buffer)).cast("B")
        n = min(len(view), len(self._chunk))
        view[:n] = self._chunk[:n]
        self._chunk = self._chunk[n:]
        return n

    def _account(self, data: bytes) -> None:
        self._given += len(data)
        limit = min(max(self._limits.free, self._limits.ratio * self._taken), self._limits.total)
        if self._given > limit:
            raise InvalidInput(
                f"archive grows beyond {limit} bytes while it is decompressed",
                hint="it is larger than any real layer of its compressed size",
            )
        if self._seen is not None and data:
            self._seen(data)

    def _read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._taken += len(data)
        return data

    def _produce(self) -> bytes:
        """The next chunk; b"" at the end."""
        if self._input:
            data, self._input = self._input, b""
            return data
        return self._read(CHUNK)


class _Compressed(_Raw):
    """Decodes any number of members or frames that follow each other."""

    def __init__(
        self,
        codec: Codec,
        name: str,
        stream: BinaryIO,
        head: bytes,
        seen: Callable[[bytes], object] | None,
        limits: Limits,
    ):
        super().__init__(stream, head, seen, limits)
        self._codec = codec
        self._name = name
        self._decoder = codec.make()
        self._more = False  # the decoder holds output that it has not given yet
        self._at = 0  # what the decoder has had of _input

    def _produce(self) -> bytes:
        while True:
            if self._decoder.eof:
                if not self._next_member():
                    return b""
            elif not self._more and self._at == len(self._input):
                self._input, self._at = self._read(CHUNK), 0
                if not self._input:
                    raise InvalidInput(f"{self._name} stream is truncated")
            data = self._decode()
            if data:
                return data

    def _decode(self) -> bytes:
        end = self._at if self._more else self._at + self._codec.step
        step = self._input[self._at : end]
        self._at = min(end, len(self._input))
        try:
            data, self._more = self._codec.feed(self._decoder, step)
        except self._codec.errors as error:
            raise InvalidInput(f"{self._name} stream is damaged: {error}") from error
        if self._decoder.eof:
            self._input = self._decoder.unused_data + self._input[self._at :]
            self._at = 0
        return data

    def _next_member(self) -> bool:
        """Starts with the next member; False at the end of the stream. Zeros may follow the last one."""
        while not self._input.strip(b"\0"):
            self._input = self._read(CHUNK)
            if not self._input:
                return False
        # A short read may have cut the magic of the next member.
        while len(self._input) < MAGIC_SIZE and (more := self._read(CHUNK)):
            self._input += more
        if detect(self._input) != self._name:
            raise InvalidInput(f"{self._name} stream is followed by something else")
        self._decoder = self._codec.make()
        self._more = False
        return True


def decompressed(
    stream: BinaryIO, *, seen: Callable[[bytes], object] | None = None, limits: Limits | None = None
) -> tuple[io.BufferedReader, str]:
    """Reads `stream`, plain or compressed, decompressed; also names the compression ("" for none).

    `seen` is called with all decompressed bytes as they pass. InvalidInput, from any read, when the stream
    is damaged or truncated, and when it grows beyond `limits`.
    """
    head = _head(stream)
    name = detect(head)
    limits = limits or Limits()
    if name:
        raw: _Raw = _Compressed(_CODECS[name](), name, stream, head, seen, limits)
    else:
        raw = _Raw(stream, head, seen, limits)
    return io.BufferedReader(raw, CHUNK), name


def beginning(stream: BinaryIO, size: int) -> bytes:
    """Up to `size` first decompressed bytes of `stream`, however it goes on. InvalidInput before that."""
    head = _head(stream)
    name = detect(head)
    if not name:
        return head + stream.read(size - len(head))
    codec = _CODECS[name]()._replace(step=_SIP)  # the decoder must not come to a damaged place too soon
    with io.BufferedReader(_Compressed(codec, name, stream, head, None, Limits()), size) as reader:
        return reader.read(size)


def _head(stream: BinaryIO) -> bytes:
    """What `detect` needs; less only of a shorter stream."""
    head = b""
    while len(head) < MAGIC_SIZE and (more := stream.read(MAGIC_SIZE - len(head))):
        head += more
    return head


class _Compressor(Protocol):
    """What the compressors of gzip and zstd have in common."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class Writer:
    """Compresses what is written, in blocks of fixed size: the same bytes in give the same bytes out."""

    def __init__(self, compressor: _Compressor, sink: Callable[[bytes], object]) -> None:
        self._compressor = compressor
        self._sink = sink
        self._pending = bytearray()

    def write(self, data: bytes) -> int:
        """Takes the next bytes, however they are cut."""
        self._pending += data
        if len(self._pending) >= BLOCK:
            whole = len(self._pending) - len(self._pending) % BLOCK
            with memoryview(self._pending) as view:
                for start in range(0, whole, BLOCK):
                    self._emit(self._compressor.compress(bytes(view[start : start + BLOCK])))
            del self._pending[:whole]
        return len(data)

    def finish(self) -> None:
        """Writes what is pending and the end of the stream."""
        if self._pending:
            self._emit(self._compressor.compress(bytes(self._pending)))
            self._pending.clear()
        self._emit(self._compressor.flush())

    def _emit(self, data: bytes) -> None:
        if data:
            self._sink(data)


class GzipWriter(Writer):
    """Writes gzip. `level` is of isal, 0 to 3."""

    def __init__(self, sink: Callable[[bytes], object], level: int = LEVEL) -> None:
        from isal import isal_zlib  # as above

        super().__init__(isal_zlib.compressobj(level, wbits=31), sink)


def compressing(name: str, level: int | None, sink: Callable[[bytes], object]) -> Writer:
    """What compresses to gzip or zstd, by name; `level` is that tool's own, None for the usual."""
    if name == "zstd":
        import zstandard  # as above

        return Writer(zstandard.ZstdCompressor(level=3 if level is None else level).compressobj(), sink)
    if level is None:
        return GzipWriter(sink)
    import zlib  # isal has other levels

    return Writer(zlib.compressobj(level, wbits=31), sink)


def media_suffix(name: str) -> str:
    """The ending of an OCI layer media type for a compression of `detect`. Unsupported for xz and bzip2."""
    if name in ("xz", "bzip2"):
        raise Unsupported(f"a layer compressed with {name} has no OCI media type")
    return f"+{name}" if name else ""
