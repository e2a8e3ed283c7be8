"""Sparse files, in the four forms that GNU tar writes."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.tree.tar.errors import TarError
from tests.tree.tars import END, header, padded, pax, read

if TYPE_CHECKING:
    from pathlib import Path

GNU_TAR = shutil.which("tar")


def old_gnu(real: int, pairs: list[tuple[int, int]], stored: int) -> bytes:
    """A header of type S with its map, and the blocks that continue it."""
    table = [b"%011o\0%011o\0" % pair for pair in pairs]
    first, rest = table[:4], table[4:]
    end = b"".join(first).ljust(96, b"\0") + (b"\1" if rest else b"\0") + b"%011o\0" % real
    made = header(type_=b"S", magic=b"ustar  ", size=stored, prefix=bytes(41) + end)
    while rest:
        now, rest = rest[:21], rest[21:]
        made += (b"".join(now).ljust(504, b"\0") + (b"\1" if rest else b"\0")).ljust(512, b"\0")
    return made


def expanded(real: int, pairs: list[tuple[int, int]], data: bytes) -> bytes:
    out = bytearray(real)
    at = 0
    for offset, length in pairs:
        out[offset : offset + length] = data[at : at + length]
        at += length
    return bytes(out)


@st.composite
def maps(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]], bytes]:
    pairs, at = [], 0
    for gap, length in draw(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 700)), max_size=60)):
        pairs.append((at + gap, length))
        at += gap + length
    return at + draw(st.integers(0, 600)), pairs, bytes(i % 251 + 1 for i in range(sum(p[1] for p in pairs)))


def numbers(pairs: list[tuple[int, int]]) -> list[bytes]:
    return [b"%d" % number for pair in pairs for number in pair]


@given(maps())
def test_all_forms_read_the_same(case: tuple[int, list[tuple[int, int]], bytes]) -> None:
    real, pairs, data = case
    size, count, tail = b"%d" % real, b"%d" % len(pairs), padded(data) + END
    keys = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
    v00 = [(keys[i % 2], number) for i, number in enumerate(numbers(pairs))]
    v01 = (b"GNU.sparse.map", b",".join(numbers(pairs)))
    body = padded(b"".join(number + b"\n" for number in [count, *numbers(pairs)]))
    forms = [
        old_gnu(real, pairs, len(data)) + tail,
        pax((b"GNU.sparse.size", size), (b"GNU.sparse.numblocks", count), *v00)
        + header(size=len(data))
        + tail,
        pax((b"GNU.sparse.size", size), (b"GNU.sparse.numblocks", count), v01)
        + header(size=len(data))
        + tail,
        pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", size))
        + header(size=len(body) + len(data))
        + body
        + tail,
    ]
    for form in forms:
        ((entry, content),) = read(form)
        assert entry.size == real
        assert content == expanded(real, pairs, data)


def test_the_name_is_the_one_for_sparse_files() -> None:
    records = [
        (b"GNU.sparse.name", b"true/name"),
        (b"GNU.sparse.size", b"0"),
        (b"GNU.sparse.numblocks", b"0"),
    ]
    for extra in ([], [(b"path", b"GNUSparseFile.1/name")]):
        ((entry, _),) = read(pax(*records, *extra) + header(b"GNUSparseFile.1/name") + END)
        assert entry.path == b"true/name"


@pytest.mark.parametrize(
    ("real", "pairs", "stored"),
    [
        (10, [(0, 5), (3, 5)], 10),  # they overlap
        (10, [(8, 5)], 5),  # past the end
        (10, [(5, 2), (0, 2)], 4),  # not in order
        (10, [(0, 5)], 6),  # more data than chunks
        (10, [(0, 5)], 4),  # less
        (10, [(11, 0)], 0),
    ],
)
def test_maps_that_lie(real: int, pairs: list[tuple[int, int]], stored: int) -> None:
    body = padded(b"".join(number + b"\n" for number in [b"%d" % len(pairs), *numbers(pairs)]))
    version = (
        (b"GNU.sparse.major", b"1"),
        (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.realsize", b"%d" % real),
    )
    for form in (
        old_gnu(real, pairs, stored) + bytes(512),
        pax(*version) + header(size=len(body) + stored) + body + bytes(512),
    ):
        with pytest.raises(TarError, match="the map of a sparse file"):
            read(form + END)


@pytest.mark.parametrize(
    "body",
    [b"", b"1\n0\n", b"x\n", b"-1\n", b"99999999\n" + bytes(503), b"2\n" * 1000, b"1 \n0\n0\n", b"\n\n\n"],
)
def test_maps_in_the_data_that_are_broken(body: bytes) -> None:
    version = ((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"9"))
    with pytest.raises(TarError):
        read(pax(*version) + header(size=len(body)) + padded(body) + END)


def test_a_chain_of_blocks_without_end_is_bounded() -> None:
    block = (b"%011o\0%011o\0" % (0, 0)) * 21 + b"\1" + bytes(7)
    first = old_gnu(0, [(0, 0)] * 5, 0)[:512]
    with pytest.raises(TarError, match="longer than 1048576 bytes"):
        read(first + block * 5000 + END)


@pytest.mark.peers
@pytest.mark.skipif(GNU_TAR is None, reason="GNU tar is not installed")
@pytest.mark.parametrize("form", ["gnu", "0.0", "0.1", "1.0"])
def test_what_gnu_tar_writes(tmp_path: Path, form: str) -> None:
    path = tmp_path / "holes"
    with path.open("wb") as file:
        for number in range(8):
            file.seek(number * 300_000)
            file.write(b"%d" % number * 5000)
        file.truncate(3_000_000)
    options = ["--format=gnu"] if form == "gnu" else ["--format=posix", f"--sparse-version={form}"]
    done = subprocess.run(
        ["tar", "--sparse", *options, "-C", str(tmp_path), "-cf", "-", "holes"],
        check=True,
        stdout=subprocess.PIPE,
    )
    ((entry, content),) = read(done.stdout)
    assert (entry.path, entry.size) == (b"holes", 3_000_000)
    assert content == path.read_bytes()
