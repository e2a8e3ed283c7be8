"""Headers as Go writes them: its rules for names, numbers and PAX, beside those of Python's tarfile."""

from __future__ import annotations

import io
import tarfile

import pytest

from lamina.archive.chunked.goheader import Fields, header
from lamina.tree.tar.read import read_tar

SECOND = 10**9


def python(fields: Fields) -> bytes:
    """The same header as tarfile writes it: equal but for what Go has otherwise."""
    info = tarfile.TarInfo(fields.name.decode())
    info.type, info.linkname, info.mode = fields.type, fields.link.decode(), fields.mode
    info.uid, info.gid, info.size, info.mtime = fields.uid, fields.gid, fields.size, fields.mtime
    info.uname, info.gname = fields.user.decode(), fields.group.decode()
    info.devmajor, info.devminor = fields.major, fields.minor
    return info.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize(
    "fields",
    [
        Fields(b"etc/passwd", b"0", mode=0o644, size=1234, mtime=1_600_000_000),
        Fields(b"x", b"3", mode=0o600, uid=1, gid=2, user=b"root", group=b"tty", major=1, minor=3),
        Fields(b"link", b"2", link=b"to/somewhere", mode=0o777),
        Fields(b"a" * 100, b"0", mode=0o4755),
    ],
)
def test_plain_headers(fields: Fields) -> None:
    expected = bytearray(python(fields))
    if fields.type not in (b"3", b"4"):  # tarfile leaves the device out, Go writes zeros
        expected[329:345] = b"0000000\x000000000\0"
        expected[148:156] = b"        "
        expected[148:156] = b"%06o\0 " % sum(expected)
    assert header(fields) == bytes(expected)


def test_a_long_name_is_split_at_the_last_slash_that_will_do() -> None:
    name = b"/".join([b"d" * 30] * 6)
    block = header(Fields(name, b"0"))
    assert len(block) == 512
    assert block[345:500].rstrip(b"\0") == name[: 30 * 5 + 4]  # tarfile and Lamina split at the first
    assert block[:100].rstrip(b"\0") == b"d" * 30


@pytest.mark.parametrize(
    "fields",
    [
        Fields(b"n" * 101, b"0", size=5),
        Fields("ü".encode(), b"0"),
        Fields(b"/".join([b"d" * 60] * 6), b"0"),
        Fields(b"f" * 99 + b"/" + b"g" * 200, b"5"),
        Fields(b"l", b"2", link=b"t" * 300),
        Fields(b"f", b"0", uid=5_000_000, gid=1 << 31, size=1 << 35),
        Fields(b"f", b"0", xattrs=((b"security.capability", b"\0\1\xff"), (b"user.a", b"b"))),
        Fields(b"f", b"0", user="ü".encode(), mtime=-5),
    ],
)
def test_what_does_not_fit_is_in_pax(fields: Fields) -> None:
    """Every reader finds it there; Go's own layers are among the samples (test_chunked)."""
    data = header(fields)
    assert data[156:157] == b"x"
    record = next(read_tar(io.BytesIO(data + bytes(1024)), need_end=False))
    entry = record.entry
    assert record.name == fields.name
    assert (entry.uid, entry.gid, entry.mtime) == (fields.uid, fields.gid, fields.mtime * SECOND)
    assert entry.size == (fields.size if fields.type == b"0" else 0)
    assert entry.xattrs == fields.xattrs
    assert entry.link == fields.link
