"""What a layer of ours looks like, byte by byte."""

from __future__ import annotations

import hashlib
import io

import pytest
from hypothesis import given

from lamina.errors import InvalidInput
from lamina.tree.entry import Entry, Kind
from lamina.tree.tar.errors import TarError
from lamina.tree.tar.header import encode, tar_name
from lamina.tree.tar.write import TarWriter, write_tar
from lamina.tree.whiteout import Mark, meaning, whiteout
from tests.tree.strategies import SECOND, entries
from tests.tree.tars import END, header, pax, read, record, written

TIME = 0o14500000000


def test_an_empty_layer() -> None:
    assert written([]) == END
    assert (
        hashlib.sha256(END).hexdigest() == "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
    )


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            Entry(b"d/f", Kind.FILE, 0o4755, 1, 0o7777777, 5, TIME * SECOND + 999),
            header(
                b"d/f",
                mode=b"0004755\0",
                uid=b"0000001\0",
                gid=b"7777777\0",
                size=5,
                mtime=b"14500000000\0",
            ),
        ),
        (Entry(b"d", Kind.DIR, 0o755), header(b"d/", mode=b"0000755\0", type_=b"5")),
        (Entry(b"", Kind.DIR, 0o755), header(b"./", mode=b"0000755\0", type_=b"5")),
        (
            Entry(b"l", Kind.SYMLINK, 0o777, link=b"../x"),
            header(b"l", mode=b"0000777\0", type_=b"2", link=b"../x"),
        ),
        (Entry(b"h", Kind.HARDLINK, 0o644, size=9, link=b"f"), header(b"h", type_=b"1", link=b"f")),
        (Entry(b"p", Kind.FIFO, 0o644), header(b"p", type_=b"6")),
        (
            Entry(b"c", Kind.CHAR, 0o644, rdev=(5, 0xFFFFF)),
            header(b"c", type_=b"3", devices=b"0000005\x003777777\0"),
        ),
        (
            Entry(b"b", Kind.BLOCK, 0o644, rdev=(8, 1)),
            header(b"b", type_=b"4", devices=b"0000010\x000000001\0"),
        ),
        (whiteout(b"d/gone"), header(b"d/.wh.gone", mode=b"0000000\0")),
        (Entry(b"d/gone", Kind.WHITEOUT, 0o755, 5, 5, 5, 5), header(b"d/.wh.gone", mode=b"0000000\0")),
    ],
)
def test_headers_without_pax(entry: Entry, expected: bytes) -> None:
    assert encode(entry, tar_name(entry)) == expected


@pytest.mark.parametrize(
    ("entry", "records"),
    [
        (Entry(b"x" * 101, Kind.FILE), [(b"path", b"x" * 101)]),
        (Entry("é".encode(), Kind.FILE), [(b"path", "é".encode())]),
        (Entry(b"\xff", Kind.DIR), [(b"path", b"\xff/")]),
        (Entry(b"a", Kind.SYMLINK, link=b"x" * 101), [(b"linkpath", b"x" * 101)]),
        (Entry(b"a", Kind.FILE, mtime=-1), [(b"mtime", b"-1")]),
        (Entry(b"a", Kind.FILE, mtime=-2 * SECOND), [(b"mtime", b"-2")]),
        (Entry(b"a", Kind.FILE, size=1 << 33), [(b"size", b"8589934592")]),
        (
            Entry(b"a", Kind.FILE, uid=2**21, gid=2**31, xattrs=((b"user.a", b"\0\n="), (b"user.b", b""))),
            [
                (b"SCHILY.xattr.user.a", b"\x00\n="),
                (b"SCHILY.xattr.user.b", b""),
                (b"gid", b"2147483648"),
                (b"uid", b"2097152"),
            ],
        ),
        (Entry(b"a", Kind.FILE, xattrs=((b"user.a=%", b"v"),)), [(b"SCHILY.xattr.user.a%3D%25", b"v")]),
    ],
)
def test_pax_headers_hold_what_is_needed_and_no_more(
    entry: Entry, records: list[tuple[bytes, bytes]]
) -> None:
    data = b"".join(record(key, value) for key, value in records)
    made = encode(entry, tar_name(entry))
    assert made[512 : 512 + len(data)] == data
    assert len(made) == 512 + len(data) + -len(data) % 512 + 512
    assert made[:512] == header(b"PaxHeaders.0/entry", size=len(data), type_=b"x")


def test_long_names_are_split_where_they_can_be() -> None:
    for name, prefix, rest in [
        (b"p" * 155 + b"/" + b"n" * 100, b"p" * 155, b"n" * 100),
        (b"p/" * 60 + b"n", b"p/" * 10 + b"p", b"p/" * 49 + b"n"),
        (b"p" + b"/n" * 50, b"p", b"n/" * 49 + b"n"),
    ]:
        made = encode(Entry(name, Kind.FILE, 0o644), name)
        assert made == header(rest, prefix=prefix), name
    for name in (b"p" * 156 + b"/n" * 30, b"p" * 155 + b"/" + b"n" * 101, b"/" + b"n" * 100):
        assert len(encode(Entry(name, Kind.FILE), name)) > 512


def test_the_longest_record_counts_its_own_length() -> None:
    for length in (101, *range(980, 992), 4095):
        link = b"x" * length
        made = encode(Entry(b"a", Kind.SYMLINK, 0o644, link=link), b"a")
        assert made.startswith(pax((b"linkpath", link))[512:], 512)


def test_opaque_folders_bring_their_marker() -> None:
    made = written([(Entry(b"d", Kind.DIR, 0o755, opaque=True), b"")])
    marker = header(b"d/.wh..wh..opq", mode=b"0000000\0")
    assert made == header(b"d/", mode=b"0000755\0", type_=b"5") + marker + END
    root = written([(Entry(b"", Kind.DIR, 0o755, opaque=True), b"")])
    assert root[512:1024] == header(b".wh..wh..opq", mode=b"0000000\0")


@pytest.mark.parametrize("path", [b"d/" * 60 + b"x", b"x" * 251, "d/é".encode(), b"\xff" * 120])
def test_whiteouts_with_hard_names(path: bytes) -> None:
    ((found, content),) = read(written([(whiteout(path), b"")]))
    assert meaning(found.path) == (Mark.WHITEOUT, path)
    assert found._replace(path=b"") == Entry(b"", Kind.FILE, 0)
    assert content == b""


def test_sockets_are_refused() -> None:
    with pytest.raises(TarError, match=r"run/s: a socket"):
        encode(Entry(b"run/s", Kind.SOCKET), b"run/s")


def test_devices_that_do_not_exist_are_refused() -> None:
    with pytest.raises(TarError, match="does not exist"):
        encode(Entry(b"c", Kind.CHAR, rdev=(1 << 21, 0)), b"c")


def test_contents_must_be_as_long_as_announced() -> None:
    file = Entry(b"f", Kind.FILE, size=3)
    for chunks, message in [((b"ab",), "ends 1 bytes before"), ((b"ab", b"cd"), "longer than the 3 bytes")]:
        writer = TarWriter(lambda data: None)
        writer.add(file)
        with pytest.raises(InvalidInput, match=message):
            for chunk in chunks:
                writer.data(chunk)
            writer.add(file)
    writer = TarWriter(lambda data: None)
    writer.add(file)
    with pytest.raises(TarError):
        writer.finish()
    with pytest.raises(TarError):
        TarWriter(lambda data: None).data(b"x")


def test_write_tar_opens_and_closes_each_content() -> None:
    opened: list[io.BytesIO] = []

    def opener() -> io.BytesIO:
        opened.append(io.BytesIO(b"x" * 1000))
        return opened[-1]

    parts: list[bytes] = []
    file = Entry(b"f", Kind.FILE, 0o644, size=1000)
    size = write_tar([(Entry(b"d", Kind.DIR), None), (file, opener), (file, opener)], parts.append)
    data = b"".join(parts)
    assert size == len(data) == 512 + 2 * (512 + 1024) + 1024
    assert data[512:] == (header(b"f", size=1000) + b"x" * 1000 + bytes(24)) * 2 + END
    assert len(opened) == 2
    assert all(stream.closed for stream in opened)


def test_the_sink_is_called_with_big_pieces() -> None:
    pieces: list[int] = []
    writer = TarWriter(lambda data: pieces.append(len(data)))
    for number in range(2000):
        writer.add(Entry(b"%d" % number, Kind.FILE, 0o644))
    writer.finish()
    assert sum(pieces) == 2000 * 512 + 1024
    assert len(pieces) < 10


@given(entries())
def test_the_same_entry_gives_the_same_bytes(entry: Entry) -> None:
    made = encode(entry, tar_name(entry))
    assert made == encode(Entry(*entry), tar_name(entry))
    assert len(made) % 512 == 0
