"""Listings of shared caches: what is written is read back, and nothing that no layer could be."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.archive.compression import compressing, decompressed
from lamina.errors import InvalidInput
from lamina.transfer.cache import listing as cachelisting
from lamina.tree.entry import Entry, Kind
from lamina.tree.whiteout import whiteout
from tests.tree.strategies import entries

DIGEST = "ab" * 32
FILE = Entry(b"d/f", Kind.FILE, 0o644, 5, 6, 3, 1_700_000_000_000_000_000, digest=DIGEST)
LAYER = [
    Entry(b"", Kind.DIR, 0o755),
    Entry(b"d", Kind.DIR, 0o1777, opaque=True),
    FILE,
    FILE._replace(path=b"d/h", kind=Kind.HARDLINK, link=b"d/f"),
    Entry(b"d/l", Kind.SYMLINK, 0o777, link=b"../\xff"),
    Entry(b"d/n", Kind.CHAR, 0o600, rdev=(1, 3)),
    Entry(b"d/x\xfe\n", Kind.FIFO, 0o600, xattrs=((b"user.a", b"\0\xff"),)),
    whiteout(b"gone"),
]


@settings(max_examples=25, deadline=None)
@given(st.lists(entries(kinds=(Kind.DIR, Kind.SYMLINK, Kind.CHAR, Kind.BLOCK, Kind.FIFO)), max_size=8))
def test_any_layer_comes_back(made: list[Entry]) -> None:
    """With the folders that they lie in, each path once: as layers have them."""
    by_path: dict[bytes, Entry] = {}
    for entry in made:
        xattrs = () if entry.kind is Kind.SYMLINK else entry.xattrs
        parts = entry.path.split(b"/")
        folders = [b"/".join(parts[:n]) for n in range(1, len(parts))]
        if any(each in by_path and by_path[each].kind is not Kind.DIR for each in folders):
            continue
        if any(path.startswith(entry.path + b"/") for path in by_path) and entry.kind is not Kind.DIR:
            continue
        by_path.update({each: by_path.get(each, Entry(each, Kind.DIR)) for each in folders})
        by_path[entry.path] = entry._replace(xattrs=xattrs)
    layer = [by_path[path] for path in sorted(by_path)]
    assert cachelisting.unpack(cachelisting.pack(layer)) == layer


def test_every_kind_comes_back_and_equal_layers_are_equal_bytes() -> None:
    packed = cachelisting.pack(LAYER)
    assert cachelisting.unpack(packed) == LAYER
    assert cachelisting.pack(iter(LAYER)) == packed
    assert cachelisting.unpack(cachelisting.pack([])) == []


LIES = {
    "a path that leads out": [Entry(b"..", Kind.DIR)],
    "an absolute path": [Entry(b"/etc", Kind.DIR)],
    "a path with an empty part": [Entry(b"a", Kind.DIR), Entry(b"a//b", Kind.DIR)],
    "a NUL": [Entry(b"a\0", Kind.DIR)],
    "a whiteout by its name": [Entry(b".wh.a", Kind.DIR)],
    "a name too long": [Entry(b"a" * 256, Kind.DIR)],
    "a path too long": [Entry(b"/".join([b"a" * 200] * n), Kind.DIR) for n in range(1, 25)],
    "one path twice": [Entry(b"a", Kind.DIR), Entry(b"a", Kind.DIR)],
    "paths in no order": [Entry(b"b", Kind.DIR), Entry(b"a", Kind.DIR)],
    "no folder": [Entry(b"a/b", Kind.DIR)],
    "a file as a folder": [FILE._replace(path=b"a"), Entry(b"a/b", Kind.DIR)],
    "a root that is no folder": [FILE._replace(path=b"")],
    "a file without a digest": [FILE._replace(path=b"a", digest="")],
    "a folder with a size": [Entry(b"a", Kind.DIR, size=1, digest=DIGEST)],
    "a link to nothing": [FILE._replace(path=b"a", kind=Kind.HARDLINK, link=b"b")],
    "a link to another file": [
        FILE._replace(path=b"a"),
        FILE._replace(path=b"b", kind=Kind.HARDLINK, link=b"a", size=4),
    ],
    "a symbolic link without a target": [Entry(b"a", Kind.SYMLINK)],
    "a target with a NUL": [Entry(b"a", Kind.SYMLINK, link=b"a\0")],
    "a mode": [Entry(b"a", Kind.DIR, 0o10000)],
    "an owner": [Entry(b"a", Kind.DIR, uid=1 << 32)],
    "a size below zero": [FILE._replace(path=b"a", size=-1)],
    "a time": [Entry(b"a", Kind.DIR, mtime=1 << 63)],
    "a device that is none": [Entry(b"a", Kind.DIR, rdev=(1, 1))],
    "an opaque file": [FILE._replace(path=b"a", opaque=True)],
    "overlay's own attribute": [Entry(b"a", Kind.DIR, xattrs=((b"trusted.overlay.opaque", b"y"),))],
    "attributes in no order": [Entry(b"a", Kind.DIR, xattrs=((b"user.b", b""), (b"user.a", b"")))],
    "attributes too large": [Entry(b"a", Kind.DIR, xattrs=((b"user.b", b"x" * 70_000),))],
    "a socket": [Entry(b"a", Kind.SOCKET)],
}


@pytest.mark.parametrize("lie", LIES)
def test_what_no_layer_could_be_is_refused(lie: str) -> None:
    with pytest.raises(InvalidInput, match="listing"):
        cachelisting.unpack(cachelisting.pack(LIES[lie]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("version", 2),
        ("paths", ["a"] * 9),
        ("paths", [1] * 8),
        ("paths", ["\ud800"] * 8),
        ("kinds", "d"),
        ("kinds", "dddddddz"),
        ("modes", [True] * 8),
        ("uids", ["0"] * 8),
        ("sizes", None),
        ("digests", "!"),
        ("digests", ""),
        ("digested", "1" * 8),
        ("uids", [1] * 8),  # of a whiteout, too
        ("links", [[99, "a"]]),
        ("links", [[4, 5]]),
        ("links", [["4", "a"]]),
        ("devices", [[5, -1, 0]]),
        ("devices", [[5, 1]]),
        ("xattrs", [[6, "a"]]),
        ("xattrs", [[6, [["user.a"]]]]),
        ("opaque", [2]),
        ("opaque", [-1]),
    ],
)
def test_columns_that_do_not_fit_are_refused(name: str, value: object) -> None:
    columns = json.loads(decompressed(io.BytesIO(cachelisting.pack(LAYER)))[0].read())
    columns[name] = value
    with pytest.raises(InvalidInput, match="listing"):
        cachelisting.unpack(_packed(json.dumps(columns).encode()))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b"x" * 100])
def test_what_is_no_listing_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        cachelisting.unpack(_packed(data))
    with pytest.raises(InvalidInput):
        cachelisting.unpack(data)


def test_a_bomb_is_refused() -> None:
    with pytest.raises(InvalidInput, match="grows beyond"):
        cachelisting.unpack(_packed(b" " * (100 << 20)))


def _packed(data: bytes) -> bytes:
    out = io.BytesIO()
    writer = compressing("zstd", 3, out.write)
    writer.write(data)
    writer.finish()
    return out.getvalue()
