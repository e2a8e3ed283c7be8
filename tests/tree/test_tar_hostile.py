"""Broken and hostile archives: each is a TarError that says which entry, never anything else."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import InvalidInput
from lamina.tree.tar.errors import TarError, shown
from lamina.tree.tar.limits import DEFAULT, Limits
from lamina.tree.tar.read import read_tar
from tests.tree.tars import END, header, long_name, names, padded, pax, raw_pax, read, record

if TYPE_CHECKING:
    import random

FILE = header()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        # paths
        (header(b"../f"), r"\.\./f: a path with \.\. in it"),
        (header(b"a/../../f"), r"with \.\."),
        (header(b"a/.."), r"with \.\."),
        (header(b"/..", type_=b"5"), r"with \.\."),
        (pax((b"path", b"../f")) + FILE, r"with \.\."),
        (long_name(b"../f") + FILE, r"with \.\."),
        (header(b"f", prefix=b".."), r"with \.\."),
        (header(type_=b"1", link=b"../etc/shadow"), r"with \.\."),
        (pax((b"linkpath", b"/../x")) + header(type_=b"1"), r"with \.\."),
        (header(b""), "without a name"),
        (header(b"\0f"), "without a name"),
        (header(b"d/"), "the name of a folder"),
        (header(b"d/", type_=b"7"), "the name of a folder"),
        (header(b"."), "the name of a folder"),
        (header(b"/.", type_=b"2", link=b"/etc"), "the name of a folder"),
        (header(b"/", type_=b"1", link=b"x"), "the name of a folder"),
        (
            pax((b"path", b"n" * 256)) + FILE,
            "a name of 256 bytes",
        ),
        (pax((b"path", b"n/" * 2100 + b"n")) + FILE, "a path of 4201 bytes"),
        # links
        (header(type_=b"1"), "without a name"),
        (header(type_=b"1", link=b"/f"), "a hard link to itself"),
        (header(type_=b"1", link=b"./"), "a hard link to itself or to the root"),
        (header(type_=b"2"), "path of 0 bytes"),
        (pax((b"linkpath", b"x" * 4096)) + header(type_=b"2"), "path of 4096 bytes"),
        # types
        (header(type_=b"D"), "type 'D' are not supported"),
        (header(type_=b"\x1b"), r"type '\\\\x1b' are not supported"),
        (header(type_=b"V"), "not supported"),
        (header(type_=b"X"), "not supported"),
        (header(type_=b"5", size=1), "its type cannot have any"),
        (header(type_=b"2", link=b"x", size=1), "its type cannot have any"),
        (header(type_=b"3", magic=b""), "no place for its number"),
        (header(type_=b"3", devices=b"0010000\x000000000\0"), "does not exist on Linux"),
        (header(type_=b"4", devices=b"0000000\x004000000\0"), "does not exist on Linux"),
        (header(type_=b"4", devices=b"\xff" * 16), "out of range"),
        # numbers
        (header(size=b"99999999999\0"), "not an octal number"),
        (header(size=b"0x10\0"), "not an octal number"),
        (header(size=b"1_0\0"), "not an octal number"),
        (header(size=b"-1\0"), "not an octal number"),
        (header(size=b"+1\0"), "not an octal number"),
        (header(size=b"1 1\0"), "not an octal number"),
        (header(size=b"1\x001\0"), "not an octal number"),
        (header(size=b"\xff" * 12), "out of range"),
        (header(size=b"\x81" + bytes(11)), "not a base-256 number"),
        (header(size=b"\x80" + b"\xff" * 11), "out of range"),
        (header(size=b"\x80" + bytes(3) + b"\x80" + bytes(7)), "out of range"),
        (header(uid=b"\x80\0\0\0\xff\xff\xff\xff"), "owner 4294967295:0 is out of range"),
        (header(gid=b"\x80\0\0\1\0\0\0\0"), "out of range"),
        (header(uid=b"\xff" * 8), "out of range"),
        (header(mtime=b"\x80" + b"\xff" * 11), "out of range"),
        (header(mtime=b"\xff\x80" + bytes(10)), "out of range"),
        (header(mtime=b"\x80" + bytes(5) + b"\xff" * 6), "the time .* is out of range"),
        # checksums
        (header(checksum=b"000000\0 "), "checksum is wrong"),
        (header(checksum=b"\0" * 8), "checksum is wrong"),
        (header(checksum=b"nonsense"), "not an octal number"),
        (header(b"\xff", checksum=b"000001\0 "), "checksum is wrong"),
        (b"\x1f\x8b" + bytes(510), "checksum is wrong"),
        (b"x" * 512, "octal"),
        # PAX
        (raw_pax(b"5 a=\n") + FILE, None),
        (raw_pax(b"x"), "wrong length"),
        (raw_pax(b"6 a=b") + FILE, "wrong length"),
        (raw_pax(b"7 a=b\n") + FILE, "wrong length"),
        (raw_pax(b"5 a=b\n") + FILE, "wrong length"),
        (raw_pax(b"-6 a=b\n") + FILE, "wrong length"),
        (raw_pax(b" 6 a=b\n") + FILE, "wrong length"),
        (raw_pax(b"2 6 a=b\n") + FILE, "wrong length"),
        (raw_pax(b"99999999999999999999 a=b\n") + FILE, "wrong length"),
        (raw_pax(b"6 a=b\n\0\0\0") + FILE, "wrong length"),
        (raw_pax(b"5 ab\n") + FILE, "no key"),
        (raw_pax(b"5 =b\n") + FILE, "no key"),
        (pax((b"a\0b", b"c")) + FILE, "no key"),
        (pax((b"path", b"a\0b")) + FILE, "zero byte"),
        (pax((b"linkpath", b"a\0b")) + header(type_=b"2"), "zero byte"),
        (pax((b"path", b"a"), (b"path", b"b")) + FILE, "twice, with different values"),
        (pax((b"uid", b"-1")) + FILE, "not a number"),
        (pax((b"uid", b"4294967295")) + FILE, "not a number up to 4294967294"),
        (pax((b"gid", b"1.5")) + FILE, "not a number"),
        (pax((b"gid", "٣".encode())) + FILE, "not a number"),
        (pax((b"size", b"1e3")) + FILE, "not a number"),
        (pax((b"size", b"9" * 5000)) + FILE, "not a number"),
        (pax((b"mtime", b"now")) + FILE, "not a time"),
        (pax((b"mtime", b"-")) + FILE, "not a time"),
        (pax((b"mtime", b"--1")) + FILE, "not a time"),
        (pax((b"mtime", b"1.-5")) + FILE, "not a time"),
        (pax((b"mtime", b"9" * 11)) + FILE, "not a time"),
        (pax((b"size", b"5")) + header(size=3), "two sizes, 3 and 5"),
        (pax((b"size", b"5")) + header(size=0), "two sizes, 0 and 5"),
        (pax((b"hdrcharset", b"EBCDIC")) + FILE, "character set 'EBCDIC'"),
        (pax((b"SCHILY.xattr.", b"v")) + FILE, "has a name that Linux"),
        (pax((b"SCHILY.xattr." + b"n" * 256, b"v")) + FILE, "has a name that Linux"),
        (pax((b"SCHILY.xattr.a", b"v" * 65536)) + FILE, "more than 65536 bytes"),
        (pax((b"LIBARCHIVE.xattr.a", b"!")) + FILE, "not in base64"),
        (pax((b"LIBARCHIVE.xattr.a", b"AQI"), (b"SCHILY.xattr.a", b"\1\3")) + FILE, "twice, with different"),
        (pax((b"path", b"a")) + pax((b"path", b"a")) + FILE, "two PAX headers"),
        (pax((b"path", b"a")) + END, "between a header and its entry"),
        (pax((b"path", b"a")), "between a header and its entry"),
        (header(size=(1 << 20) + 1, type_=b"x"), "a header of 1048577 bytes"),
        (header(size=b"\x80" + b"\x7f".rjust(11, b"\1"), type_=b"x"), "a header of|out of range"),
        # global PAX
        (pax((b"path", b"a"), type_=b"g") + FILE, "global PAX header sets path"),
        (pax((b"linkpath", b"a"), type_=b"g") + FILE, "global PAX header sets linkpath"),
        (pax((b"size", b"1"), type_=b"g") + FILE, "global PAX header sets size"),
        (pax((b"uid", b"1"), type_=b"g") + FILE, "global PAX header sets uid"),
        (pax((b"SCHILY.xattr.a", b"1"), type_=b"g") + FILE, "global PAX header sets"),
        (pax((b"GNU.sparse.name", b"1"), type_=b"g") + FILE, "global PAX header sets"),
        (raw_pax(b"x", b"g") + FILE, "wrong length"),
        # GNU long names
        (long_name(b"a") + long_name(b"b") + FILE, "two long names"),
        (long_name(b"") + FILE, "empty"),
        (long_name(b"a\0b") + FILE, "a long name with a zero byte"),
        (long_name(b"a") + pax((b"path", b"b")) + FILE, "in two ways"),
        (pax((b"linkpath", b"b")) + long_name(b"a", b"K") + header(type_=b"2"), "in two ways"),
        (long_name(b"a") + END, "between a header and its entry"),
        (header(size=1 << 21, type_=b"L"), "a header of"),
        # sparse files
        (pax((b"GNU.sparse.major", b"2"), (b"GNU.sparse.realsize", b"0")) + FILE, "format that is not known"),
        (pax((b"GNU.sparse.size", b"5"), (b"GNU.sparse.numblocks", b"1")) + FILE, "incomplete"),
        (pax((b"GNU.sparse.numblocks", b"0")) + FILE, "GNU.sparse.size"),
        (pax((b"GNU.sparse.numbytes", b"0")) + FILE, "wrong order"),
        (pax((b"GNU.sparse.name", b"../x"), (b"GNU.sparse.size", b"0")) + FILE, r"with \.\."),
        (pax((b"GNU.sparse.name", b"x"), (b"GNU.sparse.size", b"0")) + long_name(b"y") + FILE, "two ways"),
        (pax((b"GNU.sparse.size", b"0")) + header(type_=b"5"), "its type cannot have any"),
        (header(type_=b"S"), "format that is not known"),
        (pax((b"GNU.sparse.size", b"0")) + header(type_=b"S", magic=b"ustar  "), "in two formats"),
        # the end
        (FILE + bytes(512) + FILE, "more after a single zero block"),
        (FILE[:300], "cut short"),
        (header(size=5) + b"abc", "cut short"),
        (header(size=5) + b"abcde", "cut short"),
        (header(size=5), "cut short"),
        (header(size=600, type_=b"x") + bytes(100), "cut short"),
        (FILE, "no end marker"),
    ],
)
def test_is_refused(data: bytes, message: str | None) -> None:
    whole = data if message and ("cut short" in message or "end marker" in message) else data + END * 2
    if message is None:
        assert read(whole)
        return
    with pytest.raises(TarError, match=message) as caught:
        for found in read_tar(io.BytesIO(whole)):
            found.content.read()
    assert caught.value.message.startswith("archive entry ") or "cut short" in message
    assert "\n" not in caught.value.message
    assert isinstance(caught.value, InvalidInput)


def test_the_entry_is_counted() -> None:
    with pytest.raises(TarError, match=r"^archive entry 3: "):
        names(FILE + header(b"g") + header(b"../h") + END)


@pytest.mark.parametrize(
    ("limits", "data"),
    [
        (DEFAULT._replace(entries=1), FILE + FILE + END),
        (DEFAULT._replace(path=5), header(b"a/b/c/d") + END),
        (DEFAULT._replace(path=5, component=5), header(type_=b"1", link=b"a/b/c/d") + END),
        (DEFAULT._replace(header=10), pax((b"comment", b"x" * 10)) + FILE + END),
        (DEFAULT._replace(xattrs=10), pax((b"SCHILY.xattr.user.a", b"12345")) + FILE + END),
        (DEFAULT._replace(total=9), (header(size=5) + padded(b"12345")) * 2 + END),
    ],
)
def test_limits(limits: Limits, data: bytes) -> None:
    limits = limits._replace(component=min(limits.component, limits.path))
    with pytest.raises(TarError, match=r"at most|more than"):
        read(data, limits=limits)
    read(data)


def test_a_bomb_of_a_sparse_file_is_counted_in_full() -> None:
    size = b"%d" % (1 << 40)
    data = pax((b"GNU.sparse.size", size), (b"GNU.sparse.numblocks", b"0")) + FILE + END
    with pytest.raises(TarError, match="contents of more than"):
        read(data)


def test_messages_stay_on_one_line() -> None:
    assert shown(b"a\n\x1b[31m\xff") == "a\\x0a\\x1b[31m\\xff"


SEEDS = [
    padded(b"x" * 700).join(
        [header(size=700), header(b"d/", type_=b"5"), header(type_=b"2", link=b"x"), END]
    ),
    pax((b"path", b"p"), (b"mtime", b"1.5"), (b"SCHILY.xattr.user.a", b"v"))
    + header(size=3)
    + padded(b"abc")
    + END,
    long_name(b"n" * 200) + long_name(b"l" * 200, b"K") + header(type_=b"2", magic=b"ustar  ") + END,
    pax((b"GNU.sparse.size", b"9"), (b"GNU.sparse.numblocks", b"1"), (b"GNU.sparse.map", b"2,3"))
    + header(size=3)
    + padded(b"abc")
    + END,
]


def fix_checksums(data: bytearray) -> None:
    """Makes every block that could be a header one, so that what it says is looked at."""
    for at in range(0, len(data) - 511, 512):
        block = data[at : at + 512]
        if block[257:262] == b"ustar":
            total = sum(block[:148]) + sum(block[156:]) + 256
            data[at + 148 : at + 156] = b"%06o\0 " % total


@settings(max_examples=400)
@given(
    st.sampled_from(SEEDS), st.randoms(use_true_random=False), st.integers(1, 8), st.booleans(), st.booleans()
)
def test_damage_is_never_more_than_a_tar_error(
    seed: bytes, random: random.Random, hits: int, fix: bool, cut: bool
) -> None:
    data = bytearray(seed)
    for _ in range(hits):
        start = random.choice(range(0, len(data), 512)) if random.random() < 0.5 else 0
        at = min(start + random.randrange(512), len(data) - 1)
        data[at] = random.choice(
            [0, 0x20, 0x2E, 0x2F, 0x30, 0x35, 0x37, 0x39, 0x80, 0xFF, random.randrange(256)]
        )
    if fix:
        fix_checksums(data)
    whole = bytes(data[: random.randrange(len(data))] if cut else data)
    try:
        found = read(whole, limits=DEFAULT._replace(total=1 << 20))
    except TarError:
        return
    for entry, content in found:
        assert len(content) == entry.size
        assert b".." not in entry.path.split(b"/")
        assert not entry.path.startswith(b"/")


@given(st.binary(max_size=2000))
def test_rubbish_is_never_more_than_a_tar_error(data: bytes) -> None:
    with pytest.raises(TarError):
        read(data)


@given(
    st.binary(max_size=60)
    | st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=8))).map(
        lambda items: b"".join(record(key, value) for key, value in items)
    )
)
def test_no_pax_content_is_more_than_a_tar_error(data: bytes) -> None:
    try:
        read(raw_pax(data) + FILE + END)
    except TarError:
        pass
