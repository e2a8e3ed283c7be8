"""zstd:chunked: what is written is the same tar for every reader, and is put together again from parts."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.archive.chunked.crc64 import Crc64
from lamina.archive.chunked.writer import CHUNK, ChunkedWriter
from lamina.tree.entry import Entry, Kind
from lamina.tree.tar.errors import TarError
from tests.archive.chunked_layers import Layer, rebuilt, unzstd, written
from tests.tree import tars
from tests.tree.strategies import entries

SAMPLES = Path(__file__).parent / "layers"
CONTENTS = st.one_of(
    st.binary(max_size=1500),
    st.builds(lambda size, byte: bytes([byte]) * size, st.integers(0, 3 * CHUNK), st.integers(0, 255)),
    st.sampled_from([511, 512, 513, CHUNK - 1, CHUNK, CHUNK + 1]).map(lambda size: b"x" * size),
)


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that do not get smaller."""
    return hashlib.shake_256(b"%d" % seed).digest(size)


def tar_of(files: dict[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


# --- the checksum


def bit_by_bit(data: bytes) -> bytes:
    """ISO 3309 as it is defined."""
    state = (1 << 64) - 1
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0xD8 << 56 if state & 1 else 0)
    return (state ^ (1 << 64) - 1).to_bytes(8, "big")


def test_crc64_of_the_usual_example() -> None:
    crc = Crc64()
    crc.update(b"123456789")
    assert crc.digest().hex() == "b90956c775a41001"  # "CRC-64/GO-ISO" of the catalogue of CRCs


@given(st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_crc64_however_it_is_cut(first: int, second: int, seed: int) -> None:
    data = noise(first + second, seed)
    crc = Crc64()
    crc.update(data[:first])
    crc.update(data[first:])
    assert crc.digest() == bit_by_bit(data)


def test_crc64_of_much() -> None:
    data = noise(100_000)
    crc = Crc64()
    crc.update(data)
    assert crc.digest() == bit_by_bit(data)


# --- there and back


@given(st.lists(st.tuples(entries(), CONTENTS), max_size=8), st.integers(1, 70_000))
@settings(max_examples=50, deadline=None)
def test_any_tar_of_ours(items: list[tuple[Entry, bytes]], cut: int) -> None:
    whole = [
        (entry._replace(size=len(data)) if entry.kind is Kind.FILE else entry, data)
        if entry.kind is Kind.FILE
        else (entry, b"")
        for entry, data in items
    ]
    tar = tars.written(whole)
    layer = written(tar, max(cut, len(tar) // 50))
    assert unzstd(layer.blob) == tar
    if layer.notes:
        assert rebuilt(layer) == tar
    assert written(tar).blob == layer.blob  # however it was cut


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tars_of_python(form: int) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for number, size in enumerate([0, 1, 511, 512, 513, CHUNK, CHUNK + 1, 2 * CHUNK]):
            info = tarfile.TarInfo("d/" * number + f"file{number}" + "n" * 20 * number * (form > 0))
            info.size, info.uid, info.uname = size, 1000 * number, "somebody"
            info.mtime = 1.5 if form == tarfile.PAX_FORMAT else 1
            tar.addfile(info, io.BytesIO(noise(size)))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "é" * 40
        tar.addfile(link)
    layer = written(out.getvalue(), 10_000)
    assert layer.notes
    assert unzstd(layer.blob) == rebuilt(layer) == out.getvalue()


@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
@pytest.mark.skipif(shutil.which("tar") is None, reason="needs tar")
def test_tars_of_gnu_tar(tmp_path: Path, form: str) -> None:
    (tmp_path / "it").mkdir()
    for number in range(5):
        (tmp_path / f"it/{number}").write_bytes(noise(number * 1000))
    if form != "v7":
        os.mkfifo(tmp_path / "it/fifo")
    os.link(tmp_path / "it/1", tmp_path / "it/hard")
    os.symlink("1" * 90, tmp_path / "it/soft")
    tar = subprocess.run(
        ["tar", f"--format={form}", "-C", str(tmp_path), "-cf", "-", "it"], capture_output=True, check=True
    ).stdout
    layer = written(tar)
    assert layer.notes
    assert unzstd(layer.blob) == rebuilt(layer) == tar


@pytest.mark.parametrize("end", [b"", bytes(512), bytes(1024), bytes(10240), bytes(3 << 20)])
def test_whatever_ends_it(end: bytes) -> None:
    entry = Entry(b"f", Kind.FILE, size=700)
    tar = tars.written([(entry, noise(700))])[: -len(tars.END)] + end
    layer = written(tar, 600)
    assert layer.notes
    assert unzstd(layer.blob) == rebuilt(layer) == tar


def test_much_and_small_by_threads() -> None:
    files = {f"f{number}": noise(1 + number * 37 % 9000, number) for number in range(800)}
    tar = tar_of({**files, "big": noise(5_000_000)})
    layer = written(tar, 77_777)
    assert unzstd(layer.blob) == rebuilt(layer) == tar
    assert written(tar, 1 << 22).blob == layer.blob


def test_an_empty_layer() -> None:
    layer = written(bytes(1024))
    assert layer.toc["entries"] == []
    assert unzstd(layer.blob) == rebuilt(layer) == bytes(1024)


# --- what is unusual is plain zstd: others would refuse its table


def test_sparse_files(tmp_path: Path) -> None:
    with open(tmp_path / "f", "wb") as file:
        for at in range(0, 40 << 20, 1 << 20):  # more parts than the first header can hold
            file.seek(at)
            file.write(b"data")
    for form in ("gnu", "posix"):
        run = ["tar", "-S", f"--format={form}", "-C", str(tmp_path), "-cf", "-", "f"]
        tar = subprocess.run(run, capture_output=True, check=True).stdout
        layer = written(tar, 1000)
        assert not layer.notes
        assert unzstd(layer.blob) == tar
        assert written(tar, 333_333).blob == layer.blob


@pytest.mark.parametrize(
    "tar",
    [
        tars.written([(Entry(b"\xff", Kind.FILE, size=1), b"x")]),
        tars.written([(Entry(b"a", Kind.FILE, size=1), b"x")] * 2),
        tars.written([(Entry(b"a", Kind.DIR), b""), (Entry(b"a", Kind.FILE), b"")]),
        tars.written([(Entry(b"a", Kind.FILE), b"")]) + b"what follows" + bytes(500),
        tars.written([(Entry(b"a", Kind.FILE, mtime=-(10**9)), b"")]),
        tars.header(type_=b"7", size=3) + b"abc".ljust(512, b"\0") + tars.END,
        tars.header(type_=b"1", link=b"x", size=3) + tars.END,
    ],
    ids=["name", "twice", "folder and file", "rest", "old", "contiguous", "hard link with a size"],
)
def test_what_is_unusual(tar: bytes) -> None:
    first = tars.written([(Entry(b"before", Kind.FILE, size=9), b"the first")])[:-1024]
    layer = written(first + tar, 100)
    assert not layer.notes
    assert unzstd(layer.blob) == first + tar


def test_a_global_header() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "x"}) as tar:
        tar.addfile(tarfile.TarInfo("f"))
    layer = written(out.getvalue())
    assert not layer.notes
    assert unzstd(layer.blob) == out.getvalue()


@pytest.mark.parametrize("tar", [b"no tar" * 100, tar_of({"f": b"x" * 600})[:900], tar_of({"f": b"x"})[:100]])
def test_what_is_no_tar(tar: bytes) -> None:
    with pytest.raises(TarError), ChunkedWriter(lambda _: None) as writer:
        writer.write(tar)
        writer.finish()


# --- what the tables say


def test_the_table_of_contents_as_containers_storage_reads_it() -> None:
    xattrs = ((b"security.capability", b"\1\2"), (b"user.a=b", b"x"))
    layer = written(
        tars.written(
            [
                (Entry(b"usr", Kind.DIR, 0o755, 1, 2, mtime=1_600_000_000 * 10**9), b""),
                (Entry(b"usr/a", Kind.FILE, 0o4755, size=3, xattrs=xattrs), b"abc"),
                (Entry(b"usr/b", Kind.FILE, 0o644), b""),
                (Entry(b"usr/c", Kind.CHAR, 0o600, rdev=(5, 1)), b""),
                (Entry(b"usr/h", Kind.HARDLINK, 0o644, link=b"usr/a"), b""),
                (Entry(b"usr/s", Kind.SYMLINK, 0o777, link=b"a"), b""),
                (
                    Entry(b"usr/\xc3\xbc", Kind.FILE, 0o644, 5_000_000, size=2 * CHUNK + 1),
                    b"z" * (2 * CHUNK + 1),
                ),
            ]
        )
    )
    rows = layer.toc["entries"]
    epoch = "1970-01-01T00:00:00Z"
    offset, end = rows[1].pop("offset"), rows[1].pop("endOffset")
    assert unzstd(layer.blob[offset:end]) == b"abc"
    assert rows[:6] == [
        {"type": "dir", "name": "usr/", "mode": 0o755, "uid": 1, "gid": 2, "modtime": "2020-09-13T12:26:40Z"},
        {
            "type": "reg",
            "name": "usr/a",
            "mode": 0o4755,
            "size": 3,
            "modtime": epoch,
            "xattrs": {"security.capability": "AQI=", "user.a%3Db": "eA=="},  # as it stands in the header
            "digest": "sha256:" + hashlib.sha256(b"abc").hexdigest(),
        },
        {"type": "reg", "name": "usr/b", "mode": 0o644, "modtime": epoch},
        {"type": "char", "name": "usr/c", "mode": 0o600, "modtime": epoch, "devMajor": 5, "devMinor": 1},
        {"type": "hardlink", "name": "usr/h", "linkName": "usr/a", "mode": 0o644, "modtime": epoch},
        {"type": "symlink", "name": "usr/s", "linkName": "a", "mode": 0o777, "modtime": epoch},
    ]
    file, *chunks = rows[6:]
    assert (file["uid"], file["size"], file["chunkSize"]) == (5_000_000, 2 * CHUNK + 1, CHUNK)
    assert [(row["type"], row["name"], row["chunkOffset"], row["chunkSize"]) for row in chunks] == [
        ("chunk", "usr/ü", CHUNK, CHUNK),
        ("chunk", "usr/ü", 2 * CHUNK, 1),
    ]
    for row, after in zip(
        [file, *chunks], [*[chunk["offset"] for chunk in chunks], file["endOffset"]], strict=True
    ):
        data = unzstd(layer.blob[row["offset"] : after])
        assert row["chunkDigest"] == "sha256:" + hashlib.sha256(data).hexdigest()


def test_times_and_their_fractions() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("f")
        info.pax_headers = {"mtime": "1600000000.120000000", "atime": "1600000001.5", "ctime": "1600000002"}
        tar.addfile(info)
    [row] = written(out.getvalue()).toc["entries"]
    times = [row[key] for key in ("modtime", "accesstime", "changetime")]
    assert times == ["2020-09-13T12:26:40.12Z", "2020-09-13T12:26:41.5Z", "2020-09-13T12:26:42Z"]


def test_the_tar_split_has_one_piece_before_each_entry() -> None:
    """containers/storage reads the headers from these pieces, so each must have just one."""
    tar = tar_of({"a": b"x", "b" * 150: b"", "c": b"y" * 600}, tarfile.PAX_FORMAT)
    layer = written(tar)
    place = layer.positions.tar_split
    assert place is not None
    lines = [json.loads(line) for line in unzstd(layer.blob[place.start : place.end]).splitlines()]
    assert [line["position"] for line in lines] == list(range(len(lines)))
    assert [line["type"] for line in lines] == [2, 1, 2, 1, 2, 1, 2]
    assert lines[3] == {"type": 1, "name": "b" * 150, "payload": None, "position": 3}
    import base64

    assert base64.b64decode(lines[5]["payload"]) == bit_by_bit(b"y" * 600)
    assert (
        len(base64.b64decode(lines[2]["payload"])) == 511 + 3 * 512
    )  # padding, PAX header, its records, header


# --- what others wrote


@pytest.mark.parametrize("name", ["podman-4.3", "estargz", "estargz-chunks"])
def test_layers_of_others(name: str) -> None:
    """podman push --compression-format zstd:chunked; ctr-remote image convert --estargz (0.12), in Go."""
    blob = (SAMPLES / f"{name}.blob").read_bytes()
    layer = Layer(blob, json.loads((SAMPLES / f"{name}.json").read_text()))
    if blob.startswith(b"\x1f\x8b"):
        import gzip

        assert rebuilt(layer) == gzip.decompress(blob)
    else:
        assert rebuilt(layer) == unzstd(blob)
    assert any(content.digest for content in layer.recipe().contents)
