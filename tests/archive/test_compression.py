"""Compressed streams: read whatever their cut, refused when they are broken, written the same always."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.archive.compression import BLOCK, GzipWriter, Limits, decompressed, detect, media_suffix
from lamina.errors import InvalidInput, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

PACKERS = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "": bytes,
}
DATA = os.urandom(300_000) + bytes(3 << 20) + b"the end"


class Dribble(io.RawIOBase):
    """A stream that gives a few bytes at a time, as a pipe may."""

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)
        self._random = random.Random(1)

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(min(size, self._random.choice((1, 3, 500, 70_000))))


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("members", [1, 2])
def test_round_trip(name: str, members: int) -> None:
    packed = PACKERS[name](DATA) * members
    for stream in (io.BytesIO(packed), Dribble(packed)):
        seen: list[bytes] = []
        reader, found = decompressed(stream, seen=seen.append)  # type: ignore[arg-type]
        assert found == name
        assert reader.read() == DATA * members == b"".join(seen)


@pytest.mark.parametrize("name", [name for name in PACKERS if name])
def test_broken_streams(name: str) -> None:
    packed = PACKERS[name](DATA)
    middle = len(packed) // 2
    flipped = packed[:middle] + bytes([packed[middle] ^ 255, packed[middle + 1] ^ 255]) + packed[middle + 2 :]
    for bad in (packed[:-1], packed[:middle], packed[:8], packed + b"more", packed + b"\0\0more", flipped):
        with pytest.raises(InvalidInput):
            decompressed(io.BytesIO(bad))[0].read()
    assert decompressed(io.BytesIO(packed + bytes(1000)))[0].read() == DATA


@pytest.mark.parametrize("name", [name for name in PACKERS if name])
def test_bombs(name: str) -> None:
    packed = PACKERS[name](bytes(32 << 20))
    with pytest.raises(InvalidInput, match="grows beyond"):
        decompressed(io.BytesIO(packed), limits=Limits(free=1 << 20, ratio=10))[0].read()
    with pytest.raises(InvalidInput, match="grows beyond"):
        decompressed(io.BytesIO(packed), limits=Limits(total=1 << 20))[0].read()


@pytest.mark.parametrize("name", PACKERS)
def test_what_grows_much_comes_in_small_pieces(name: str) -> None:
    sizes: list[int] = []
    packed = PACKERS[name](bytes(40 << 20))
    reader, _ = decompressed(io.BytesIO(packed), seen=lambda data: sizes.append(len(data)))
    assert sum(len(piece) for piece in iter(lambda: reader.read(BLOCK), b"")) == sum(sizes) == 40 << 20
    assert max(sizes) <= 2 * BLOCK


@pytest.mark.parametrize("size", [0, 1, 200, 70_000, 3 << 20])
@pytest.mark.parametrize("checksum", [False, True])
def test_frames_of_zstd(size: int, checksum: bool) -> None:
    """Their headers say more or less, and blocks are plain, one byte, or compressed."""
    data = (
        (os.urandom(150_000) + bytes(400_000) + b"text " * 100_000)[:size] if size < 1 << 20 else bytes(size)
    )
    for level, with_size in ((1, True), (3, False), (19, True)):
        pack = zstandard.ZstdCompressor(level, write_content_size=with_size, write_checksum=checksum)
        stream = pack.compressobj()
        packed = pack.compress(data) + stream.compress(data) + stream.flush()
        for source in (io.BytesIO(packed), Dribble(packed)):
            assert decompressed(source)[0].read() == data * 2  # type: ignore[arg-type]


def test_short_and_empty_streams() -> None:
    for data in (b"", b"\x1f", b"BZ", b"tar"):
        reader, name = decompressed(io.BytesIO(data))
        assert (reader.read(), name) == (data, "")


def test_zstd_frames_without_content() -> None:
    skippable = bytes((0x50, 0x2A, 0x4D, 0x18)) + (4).to_bytes(4, "little") + b"note"
    data = skippable + PACKERS["zstd"](b"data")
    assert detect(data) == "zstd"
    assert decompressed(io.BytesIO(data))[0].read() == b"data"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 700_000), max_size=6))
def test_gzip_does_not_depend_on_the_cut(sizes: list[int]) -> None:
    data = random.Random(7).randbytes(1 << 16) * 40
    whole, cut = _gzipped([data]), _gzipped(_pieces(data, sizes))
    assert whole == cut
    assert gzip.decompress(whole) == data
    assert whole[4:8] == bytes(4)  # no time in it


def test_gzip_of_edges() -> None:
    for size in (0, 1, BLOCK - 1, BLOCK, BLOCK + 1):
        assert gzip.decompress(_gzipped([b"x" * size])) == b"x" * size


def _pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


def _gzipped(pieces: list[bytes]) -> bytes:
    out = io.BytesIO()
    writer = GzipWriter(out.write)
    for piece in pieces:
        writer.write(piece)
    writer.finish()
    return out.getvalue()


def test_media_types() -> None:
    suffix: Callable[[str], str] = media_suffix
    assert [suffix(name) for name in ("", "gzip", "zstd")] == ["", "+gzip", "+zstd"]
    with pytest.raises(Unsupported):
        suffix("xz")
