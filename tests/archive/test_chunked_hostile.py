"""Tables of contents that lie: each one is doubted, or gives another tar, which its diff ID gives away."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.archive.chunked import positions
from lamina.archive.chunked.errors import Doubt
from lamina.archive.chunked.opening import opened
from lamina.archive.chunked.positions import PREFIX
from tests.archive.chunked_layers import Layer, forged, rebuilt, unzstd, written
from tests.archive.test_chunked import SAMPLES, noise, tar_of

TAR = tar_of({"a": noise(3000), "b": noise(700_000, 1), "empty": b"", "c": noise(10, 2)})
LAYER = written(TAR)
STARGZ = Layer((SAMPLES / "estargz.blob").read_bytes(), json.loads((SAMPLES / "estargz.json").read_text()))
PODMAN = Layer(
    (SAMPLES / "podman-4.3.blob").read_bytes(), json.loads((SAMPLES / "podman-4.3.json").read_text())
)


def doubted(layer: Layer) -> bool:
    """Whether putting it together ends in Doubt, and soon; else it is another tar."""
    began = time.process_time()
    try:
        return rebuilt(layer) == b"never"
    except Doubt:
        return True
    finally:
        assert time.process_time() - began < 2


def test_forging_nothing_changes_nothing() -> None:
    assert rebuilt(forged(LAYER, lambda toc: None)) == TAR


# --- annotations


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        "1:2:3:4:5",
        "-1:2:3:1",
        "x:y:z:1",
        "9:9:9:2",
        "1:10:10:1",
        "100:99999999999:10:1",
        "100:10:9999999999999:1",
        "٣:10:10:1",
        "9" * 400 + ":1:1:1",
    ],
)
def test_annotations(value: str) -> None:
    with pytest.raises(Doubt):
        Layer(LAYER.blob, {**LAYER.notes, PREFIX + "manifest-position": value}).recipe()


def test_annotations_of_something_else() -> None:
    with pytest.raises(Doubt, match="not the one that the manifest names"):
        Layer(LAYER.blob, {**LAYER.notes, PREFIX + "manifest-checksum": "sha256:" + "0" * 64}).recipe()
    first = LAYER.positions.toc
    with pytest.raises(Doubt, match="overlap"):
        Layer(LAYER.blob, {**LAYER.notes, PREFIX + "tarsplit-position": f"{first.start}:9:9"}).recipe()
    with pytest.raises(Doubt, match="no table"):
        Layer(LAYER.blob, {}).recipe()
    assert positions.parse({}, 100) is None


def test_a_registry_that_gives_less_or_more() -> None:
    for part in (lambda a, b: LAYER.blob[a : b - 1], lambda a, b: LAYER.blob[a : b + 1]):
        with pytest.raises(Doubt):
            opened(LAYER.notes, len(LAYER.blob), part)


# --- the table of contents


def entry(toc: dict[str, Any], of: str, /, **fields: object) -> None:
    next(row for row in toc["entries"] if row["name"] == of).update(fields)


LIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "version": lambda toc: toc.update(version=2),
    "no entries": lambda toc: toc.update(entries=None),
    "entries of another kind": lambda toc: toc.update(entries=[1]),
    "not JSON": lambda toc: b"{",
    "nothing": lambda toc: b" ",
    "two values": lambda toc: json.dumps(toc).encode() + b"1",
    "deep": lambda toc: b'{"version":1,"entries":[],"x":' + b"[" * 100_000,
    "deep entries": lambda toc: b'{"version":1,"entries":[' + b'{"a":' * 100_000,
    "a long number": lambda toc: b'{"version":1,"entries":[{"size":' + b"9" * 10_000 + b"}]}",
    "a key twice": lambda toc: b'{"version":1,"entries":[],"entries":[]}',
    "bad UTF-8": lambda toc: b'{"version":1,"entries":[{"name":"\xff"}]}',
    "one file less": lambda toc: toc["entries"].pop(),
    "one file more": lambda toc: toc["entries"].append({**toc["entries"][0], "name": "x"}),
    "another order": lambda toc: toc["entries"].insert(0, toc["entries"].pop()),
    "another name": lambda toc: entry(toc, "a", name="../../etc/passwd"),
    "a larger size": lambda toc: entry(toc, "a", size=3001),
    "a huge size": lambda toc: entry(toc, "a", size=1 << 60),
    "a negative size": lambda toc: entry(toc, "a", size=-1),
    "a size that is text": lambda toc: entry(toc, "a", size="3000"),
    "a size that is true": lambda toc: entry(toc, "a", size=True),
    "a name that is a number": lambda toc: entry(toc, "a", name=7),
    "beyond the blob": lambda toc: entry(toc, "c", endOffset=1 << 40),
    "in the table": lambda toc: entry(toc, "c", endOffset=len(LAYER.blob)),
    "backwards": lambda toc: entry(toc, "a", offset=5000, endOffset=10),
    "nowhere": lambda toc: entry(toc, "a", offset=100, endOffset=100),
    "the frame of another file": lambda toc: entry(toc, "a", **{
        key: next(row for row in toc["entries"] if row["name"] == "c")[key] for key in ("offset", "endOffset")
    }),
    "another digest": lambda toc: entry(toc, "a", digest="sha256:" + "1" * 64),
    "a digest of another kind": lambda toc: entry(toc, "a", digest="sha512:" + "1" * 128),
    "a digest in capitals": lambda toc: entry(toc, "a", digest="sha256:" + "A" * 64),
    "chunks that overlap": lambda toc: toc["entries"][2].update(chunkOffset=1),
    "a chunk too many": lambda toc: toc["entries"].insert(3, dict(toc["entries"][2])),
    "a chunk too few": lambda toc: toc["entries"].pop(2),
    "a chunk of nothing": lambda toc: toc["entries"].insert(0, {"type": "chunk", "name": "a"}),
    "a chunk of a folder": lambda toc: toc["entries"].insert(4, {"type": "chunk", "name": "empty"}),
    "a chunk that lies": lambda toc: toc["entries"][2].update(chunkDigest="sha256:" + "2" * 64),
    "no tar-split": lambda toc: toc.update(tarSplitDigest="sha256:" + "3" * 64),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_tables_that_lie(name: str) -> None:
    layer = forged(LAYER, LIES[name])
    assert doubted(layer)


def test_zeros_that_are_none() -> None:
    """They are taken as said, and the tar has another digest then."""
    layer = forged(LAYER, lambda toc: entry(toc, "c", chunkType="zeros"))
    found = rebuilt(layer)
    assert len(found) == len(TAR)
    assert found != TAR


def test_a_table_without_a_tar_split_needs_the_headers_in_the_blob() -> None:
    layer = forged(LAYER, lambda toc: toc.pop("tarSplitDigest") and None)
    assert rebuilt(layer) == TAR

    def change(toc: dict[str, Any]) -> None:
        toc.pop("tarSplitDigest")
        entry(toc, "c", offset=5)

    assert doubted(forged(LAYER, change))


BOMB = zstandard.compress(bytes(80 << 20))  # of 80 MiB of zeros


def test_a_table_that_is_a_bomb() -> None:
    """No more is unpacked than was announced, and that has a limit."""
    found = LAYER.positions
    blob = LAYER.blob[: found.toc.start] + BOMB + bytes(100)
    notes = {
        PREFIX + "manifest-checksum": "sha256:" + hashlib.sha256(BOMB).hexdigest(),
        PREFIX + "manifest-position": f"{found.toc.start}:{len(BOMB)}:1000:1",
    }
    with pytest.raises(Doubt, match="larger"):
        Layer(blob, notes).recipe()


@pytest.mark.parametrize("told", [3000, 10])
def test_a_file_that_is_a_bomb(told: int) -> None:
    """A frame says of itself how much it is; one that lies about that is cut off."""
    stream = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(80 << 20))
    for bomb in (BOMB, stream):
        made = written(tar_of({"a": noise(told)}))
        row = made.toc["entries"][0]
        place = made.positions.toc.start - positions.FRAME_HEAD
        blob = made.blob[:place] + bomb + made.blob[place:]
        shifted = Layer(blob, made.notes)
        recipe = made.recipe()
        chunk = recipe.contents[0].chunks[0]._replace(start=place, end=place + len(bomb))
        with pytest.raises(Doubt):
            recipe.unpack(chunk, shifted.blob[chunk.start : chunk.end])
        assert row["size"] == told


# --- the tar-split


def lines(change: Callable[[list[dict[str, Any]]], object]) -> Layer:
    def split(data: bytes) -> bytes:
        rows = [json.loads(line) for line in data.splitlines()]
        change(rows)
        return b"".join(json.dumps(row).encode() + b"\n" for row in rows)

    return forged(LAYER, lambda toc: None, split)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.append({"type": 1, "name": "x", "size": 5, "payload": ""}),
        lambda rows: rows.pop(1),
        lambda rows: rows[1].update(size=1 << 62),
        lambda rows: rows[1].update(size=-5),
        lambda rows: rows[1].update(size="5"),
        lambda rows: rows[1].update(name="b"),
        lambda rows: rows[1].update(type=3),
        lambda rows: rows[0].update(payload="!!"),
        lambda rows: rows[0].update(payload=5),
    ],
)
def test_tar_splits_that_lie(change: Callable[[list[dict[str, Any]]], object]) -> None:
    assert doubted(lines(change))


@pytest.mark.parametrize(
    "text", [b"{", b"[]\n", b"\xff\n", b"[" * 100_000, b'{"type":2,"payload":"' + b"A" * (9 << 20)]
)
def test_tar_splits_that_are_none(text: bytes) -> None:
    assert doubted(forged(LAYER, lambda toc: None, lambda _: text))


def test_headers_of_another_tar() -> None:
    """They are used as they are; what comes out is not what the diff ID names."""

    def change(rows: list[dict[str, Any]]) -> None:
        head = bytearray(base64.b64decode(rows[0]["payload"]))
        head[100:107] = b"0004755"
        rows[0]["payload"] = base64.b64encode(head).decode()

    assert rebuilt(lines(change)) != TAR


# --- eStargz


@pytest.mark.parametrize("at", [-51, -41, -35, -17, -1])
def test_footers_of_estargz(at: int) -> None:
    blob = bytearray(STARGZ.blob)
    blob[at] ^= 0x55
    if at == -1:
        assert rebuilt(Layer(bytes(blob), STARGZ.notes))  # the checksum of nothing, which nobody needs
        return
    with pytest.raises(Doubt):
        Layer(bytes(blob), STARGZ.notes).recipe()


def test_a_table_of_estargz_that_is_another() -> None:
    with pytest.raises(Doubt, match="not the one that the manifest names"):
        Layer(STARGZ.blob, {"containerd.io/snapshot/stargz/toc.digest": "sha256:" + "0" * 64}).recipe()


# --- anything at all


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 10),
    st.integers(0, 1 << 70),
    st.text(max_size=5),
    st.sampled_from(["reg", "chunk", "dir", "zeros", "sha256:" + "0" * 64]),
    st.just([]),
)
KEYS = st.sampled_from(
    [
        "type",
        "name",
        "size",
        "offset",
        "endOffset",
        "chunkOffset",
        "chunkSize",
        "chunkDigest",
        "chunkType",
        "digest",
    ]
)


@given(st.lists(st.tuples(st.integers(0, 5), KEYS, VALUES), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_any_change_of_the_table(changes: list[tuple[int, str, object]]) -> None:
    def change(toc: dict[str, Any]) -> None:
        for number, key, value in changes:
            toc["entries"][number % len(toc["entries"])][key] = value

    layer = forged(LAYER, change)
    try:
        assert len(rebuilt(layer)) < 2 * len(TAR)
    except Doubt:
        pass


@given(st.sampled_from([LAYER, STARGZ, PODMAN]), st.integers(0, 1 << 30), st.integers(1, 255))
@settings(max_examples=150, deadline=None)
def test_any_change_of_the_blob(layer: Layer, at: int, bit: int) -> None:
    """No byte of it can be changed without Doubt, or another tar than the one that was packed."""
    blob = bytearray(layer.blob)
    at = len(blob) - 1 - at % min(len(blob), 12_000)  # mostly the tables
    blob[at] ^= bit
    try:
        rebuilt(Layer(bytes(blob), layer.notes))
    except Doubt:
        pass


def test_the_samples_are_what_they_were() -> None:
    assert [len(unzstd(PODMAN.blob)), len(list(Path(SAMPLES).iterdir()))] == [131584, 6]
