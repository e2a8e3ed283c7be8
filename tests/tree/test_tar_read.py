"""Archives in every form that is accepted, and what is written is read back."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.tree.entry import Entry, Kind
from lamina.tree.tar.errors import TarError
from lamina.tree.tar.read import read_tar
from tests.tree.strategies import SECOND, entries
from tests.tree.tars import END, header, long_name, names, one, padded, pax, read, written

CONTENTS = st.one_of(st.binary(max_size=20), st.integers(0, 3000).map(bytes))
FILES = st.tuples(entries((Kind.FILE,)), CONTENTS).map(
    lambda pair: (pair[0]._replace(size=len(pair[1])), pair[1])
)
OTHERS = st.tuples(entries(tuple(kind for kind in Kind if kind is not Kind.FILE)), st.just(b""))


class Trickle:
    """A stream that cannot seek and gives a few bytes at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        self._read = io.BytesIO(data).read
        self._step = step

    def read(self, n: int = -1, /) -> bytes:
        return self._read(min(n, self._step))


@settings(max_examples=300)
@given(st.lists(FILES | OTHERS, max_size=5))
def test_what_is_written_is_read(items: list[tuple[Entry, bytes]]) -> None:
    assert read(written(items)) == items


@given(st.lists(FILES | OTHERS, max_size=4), st.integers(1, 700), st.data())
def test_reading_less_or_in_small_pieces_changes_nothing(
    items: list[tuple[Entry, bytes]], step: int, data: st.DataObject
) -> None:
    found = []
    for record in read_tar(Trickle(written(items), step)):
        found.append(record.entry)
        wanted = data.draw(st.integers(0, record.entry.size + 5))
        content = items[len(found) - 1][1]
        assert content.startswith(record.content.read(wanted))
    assert found == [entry for entry, _ in items]


def test_big_contents_are_skipped_and_must_be_there() -> None:
    size = 3 << 20
    data = header(b"big", size=size) + bytes(size) + header(b"next") + END
    assert names(data) == [b"big", b"next"]
    assert [record.entry.path for record in read_tar(Trickle(data, 100_000))] == [b"big", b"next"]
    for stream in (io.BytesIO(data[: size - 5]), Trickle(data[: size - 5], 100_000)):
        with pytest.raises(TarError, match="entry 2: the archive is cut short"):
            list(read_tar(stream))


def test_a_content_whose_turn_is_over_gives_nothing() -> None:
    records = read_tar(
        io.BytesIO(header(b"a", size=3) + padded(b"abc") + header(b"b", size=3) + padded(b"xyz") + END)
    )
    first, second = next(records), next(records)
    assert first.content.read() == b""
    assert second.content.read(2) + second.content.read() == b"xyz"


def test_it_stops_after_the_end_marker() -> None:
    stream = io.BytesIO(header() + END + b"rest")
    assert len(list(read_tar(stream))) == 1
    assert stream.read() == b"rest"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (b"a/b", b"a/b"),
        (b"/a", b"a"),
        (b"./a", b"a"),
        (b".//a///b", b"a/b"),
        (b"a/./b", b"a/b"),
        (b"/.//./a/.", b"a"),
        (b"..a/b..", b"..a/b.."),
        (b".a/.b/...", b".a/.b/..."),
    ],
)
def test_paths_are_made_relative(name: bytes, path: bytes) -> None:
    record = one(header(name))
    assert (record.entry.path, record.name) == (path, name)


@pytest.mark.parametrize("name", [b"./", b"/", b".", b"//.//"])
def test_the_root(name: bytes) -> None:
    assert one(header(name, type_=b"5")).entry == Entry(b"", Kind.DIR, 0o644)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (header(type_=b"\0"), Entry(b"f", Kind.FILE, 0o644)),
        (header(type_=b"7"), Entry(b"f", Kind.FILE, 0o644)),
        (header(b"d/", type_=b"\0", magic=b""), Entry(b"d", Kind.DIR, 0o644)),
        (header(b"d", type_=b"5"), Entry(b"d", Kind.DIR, 0o644)),
        (header(type_=b"1", link=b"/./x/y/"), Entry(b"f", Kind.HARDLINK, 0o644, link=b"x/y")),
        (header(type_=b"1", link=b"x", size=77), Entry(b"f", Kind.HARDLINK, 0o644, link=b"x")),
        (header(type_=b"2", link=b"/x/../"), Entry(b"f", Kind.SYMLINK, 0o644, link=b"/x/../")),
        (header(type_=b"0", link=b"left over"), Entry(b"f", Kind.FILE, 0o644)),
        (
            header(type_=b"3", devices=b"\0\0\0\0\x005 \0" + b"     03\0"),
            Entry(b"f", Kind.CHAR, 0o644, rdev=(5, 3)),
        ),
        (
            header(type_=b"4", devices=b"0000010\x003777777\0"),
            Entry(b"f", Kind.BLOCK, 0o644, rdev=(8, 0xFFFFF)),
        ),
        (header(type_=b"6"), Entry(b"f", Kind.FIFO, 0o644)),
        (header(mode=b"0104755\0"), Entry(b"f", Kind.FILE, 0o4755)),
        (header(mode=b"   644 \0"), Entry(b"f", Kind.FILE, 0o644)),
        (header(mode=b"00000644"), Entry(b"f", Kind.FILE, 0o644)),
        (header(mode=bytes(8)), Entry(b"f", Kind.FILE, 0)),
        (header(uid=b"\x80\0\0\0\xff\xff\xff\xfe"), Entry(b"f", Kind.FILE, 0o644, uid=2**32 - 2)),
        (header(mtime=b"\xff" * 11 + b"\xfe"), Entry(b"f", Kind.FILE, 0o644, mtime=-2 * SECOND)),
        (
            header(mtime=b"\x80" + bytes(7) + b"\1\0\0\0"),
            Entry(b"f", Kind.FILE, 0o644, mtime=(1 << 24) * SECOND),
        ),
        (header(b"n", prefix=b"p/q"), Entry(b"p/q/n", Kind.FILE, 0o644)),
        (header(b"n" * 100, prefix=b"p" * 155), Entry(b"p" * 155 + b"/" + b"n" * 100, Kind.FILE, 0o644)),
        (header(b"n", prefix=b"p", magic=b"ustar  "), Entry(b"n", Kind.FILE, 0o644)),
        (header(b"n", prefix=b"p", magic=b""), Entry(b"n", Kind.FILE, 0o644)),
        (
            header(b"n", prefix=b"p".ljust(131, b"\0") + b"00000000000 00000000000 " + bytes(8) + b"tar\0"),
            Entry(b"p/n", Kind.FILE, 0o644),
        ),
        (header(b"n\0rubbish"), Entry(b"n", Kind.FILE, 0o644)),
        (header(b"\xff\xfe \n"), Entry(b"\xff\xfe \n", Kind.FILE, 0o644)),
    ],
)
def test_plain_headers(data: bytes, expected: Entry) -> None:
    assert one(data).entry == expected


def test_checksums_of_signed_bytes() -> None:
    block = header(b"\xff\xfe")
    total = sum(byte - 256 if byte > 127 else byte for byte in block[:148] + block[156:]) + 256
    assert one(header(b"\xff\xfe", checksum=b"%06o\0 " % total)).entry.path == b"\xff\xfe"


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([(b"path", b"p/q"), (b"comment", b"\xff")], Entry(b"p/q", Kind.FILE, 0o644)),
        ([(b"path", b"\xff\n")], Entry(b"\xff\n", Kind.FILE, 0o644)),
        ([(b"path", b""), (b"size", b""), (b"mtime", b"")], Entry(b"f", Kind.FILE, 0o644)),
        ([(b"path", b"x"), (b"path", b"x")], Entry(b"x", Kind.FILE, 0o644)),
        ([(b"uid", b"4294967294"), (b"gid", b"5")], Entry(b"f", Kind.FILE, 0o644, 2**32 - 2, 5)),
        ([(b"mtime", b"1.5")], Entry(b"f", Kind.FILE, 0o644, mtime=1_500_000_000)),
        ([(b"mtime", b"1.123456789999")], Entry(b"f", Kind.FILE, 0o644, mtime=1_123_456_789)),
        ([(b"mtime", b"-1.5")], Entry(b"f", Kind.FILE, 0o644, mtime=-1_500_000_000)),
        ([(b"mtime", b"-0.0000000001")], Entry(b"f", Kind.FILE, 0o644, mtime=-1)),
        ([(b"mtime", b".5")], Entry(b"f", Kind.FILE, 0o644, mtime=500_000_000)),
        (
            [(b"SCHILY.xattr.user.b", b"2\0"), (b"SCHILY.xattr.user.a", b"")],
            Entry(b"f", Kind.FILE, 0o644, xattrs=((b"user.a", b""), (b"user.b", b"2\0"))),
        ),
        ([(b"SCHILY.xattr.a%3Db%25", b"v")], Entry(b"f", Kind.FILE, 0o644, xattrs=((b"a=b%", b"v"),))),
        (
            [(b"LIBARCHIVE.xattr.user.%C3%BC", b"AQI"), (b"SCHILY.xattr.user.\xc3\xbc", b"\1\2")],
            Entry(b"f", Kind.FILE, 0o644, xattrs=((b"user.\xc3\xbc", b"\1\2"),)),
        ),
        ([(b"hdrcharset", b"BINARY"), (b"path", b"\xe9")], Entry(b"\xe9", Kind.FILE, 0o644)),
        ([(b"uname", b"root"), (b"atime", b"1"), (b"SCHILY.dev", b"5")], Entry(b"f", Kind.FILE, 0o644)),
        ([], Entry(b"f", Kind.FILE, 0o644)),
    ],
)
def test_pax_headers(records: list[tuple[bytes, bytes]], expected: Entry) -> None:
    assert one(pax(*records) + header()).entry == expected


def test_pax_sizes() -> None:
    big = 1 << 33
    for size in (big, 0):
        record = one(pax((b"size", b"%d" % big)) + header(size=b"\x80" + size.to_bytes(11, "big")))
        assert record.entry.size == big
    assert read(pax((b"size", b"3")) + header(size=3) + padded(b"abc") + END)[0][1] == b"abc"


def test_gnu_long_names() -> None:
    name, link = b"n/" * 300 + b"n", b"l" * 3000
    last = header(b"n", type_=b"2", link=b"l", magic=b"ustar  ")
    expected = Entry(name, Kind.SYMLINK, 0o644, link=link)
    for first, second in ((b"LK", (name, link)), (b"KL", (link, name))):
        data = long_name(second[0], first[:1]) + long_name(second[1], first[1:])
        assert one(data + last).entry == expected
    mixed = long_name(b"named") + pax((b"mtime", b"7"), (b"linkpath", b"x")) + last
    assert one(mixed).entry == Entry(b"named", Kind.SYMLINK, 0o644, mtime=7 * SECOND, link=b"x")


def test_a_long_name_counts_for_one_entry_only() -> None:
    data = (
        pax((b"path", b"a"), (b"uid", b"7"))
        + header()
        + header()
        + long_name(b"b")
        + header()
        + header()
        + END
    )
    assert [(entry.path, entry.uid) for entry, _ in read(data)] == [
        (b"a", 7),
        (b"f", 0),
        (b"b", 0),
        (b"f", 0),
    ]


def test_global_headers_that_say_nothing_of_weight() -> None:
    comment = pax((b"comment", b"0123abcd"), (b"mtime", b"5"), type_=b"g")
    assert names(comment + header() + comment + END) == [b"f"]
    assert names(comment + END) == []


def test_ends() -> None:
    assert names(END) == []
    assert names(header() + bytes(512)) == [b"f"], "one zero block and then nothing"
    assert names(header() + bytes(10240)) == [b"f"]
    for data in (b"", header(), header(size=5) + padded(b"abcde")):
        with pytest.raises(TarError, match="no end marker"):
            read(data)
        assert len(read(data, need_end=False)) == (1 if data else 0)
