"""Blobs: there whole, or not there."""

from __future__ import annotations

import hashlib
import io
import os
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.errors import Corrupt, InvalidInput, NoSpace, NotFound
from lamina.oci.digest import Digest, sha256
from lamina.store.blobs import BlobStore
from lamina.store.layout import Layout
from lamina.store.lease import Lease
from tests.store.processes import end, kill, line_of, spawn

if TYPE_CHECKING:
    from pathlib import Path


def names(layout: Layout) -> list[str]:
    return sorted(os.listdir(layout.blobs))


@given(st.binary(max_size=3000), st.integers(1, 700))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_what_is_put_is_read(blobs: BlobStore, data: bytes, piece: int) -> None:
    with blobs.writer() as out:
        for at in range(0, len(data), piece):
            out.write(data[at : at + piece])
        digest = out.commit()
    assert digest == sha256(data) == blobs.put(data) == blobs.put(io.BytesIO(data), digest, len(data))
    assert blobs.read(digest) == data and blobs.size(digest) == len(data) and blobs.has(digest)
    with blobs.open(digest) as stream:
        assert stream.read() == data


def test_only_complete_blobs_have_a_name(layout: Layout, blobs: BlobStore) -> None:
    digest = blobs.put(b"one")
    with pytest.raises(RuntimeError), blobs.writer() as out:
        out.write(b"two")
        raise RuntimeError
    with pytest.raises(Corrupt, match="should be"):
        blobs.put(b"three", sha256(b"four"))
    with pytest.raises(Corrupt, match="should have 4 bytes"):
        blobs.put(io.BytesIO(b"abc"), sha256(b"abc"), 4)
    with pytest.raises(Corrupt, match="longer"):
        blobs.put(io.BytesIO(b"abcdef"), sha256(b"abcdef"), 4)
    assert names(layout) == [digest[7:]]
    assert [blob.digest for blob in blobs.walk()] == [digest]
    assert os.stat(layout.blob(digest)).st_mode & 0o777 == 0o444


def test_a_blob_that_is_there_is_not_read_again(blobs: BlobStore) -> None:
    digest = blobs.put(b"data")
    stream = io.BytesIO(b"data")
    assert blobs.put(stream, digest, 4) == digest
    assert stream.tell() == 0
    with blobs.writer(digest) as out:
        assert out.present
        assert out.commit() == digest


def test_a_missing_blob(blobs: BlobStore) -> None:
    digest = sha256(b"never")
    for action in (blobs.read, blobs.open, blobs.size):
        with pytest.raises(NotFound, match=digest):
            action(digest)
    assert not blobs.has(digest) and not blobs.touch(digest) and blobs.delete(digest) == 0


def test_a_changed_blob_is_seen_and_healed(layout: Layout, blobs: BlobStore) -> None:
    digest = blobs.put(b"right")
    for wrong in (b"wrong", b"short"[:3]):
        os.chmod(layout.blob(digest), 0o644)
        with open(layout.blob(digest), "wb") as file:
            file.write(wrong)
        with pytest.raises(Corrupt, match="damaged"):
            blobs.read(digest)
        with pytest.raises(Corrupt, match="damaged"), blobs.open(digest) as stream:
            stream.read()
        blobs.put(b"right")
        assert blobs.read(digest) == b"right"
    assert names(layout) == [digest[7:]]


def test_a_read_is_bounded(blobs: BlobStore) -> None:
    digest = blobs.put(b"x" * 100)
    with pytest.raises(InvalidInput, match="limit is 99"):
        blobs.read(digest, 99)


def test_delete_spares_what_was_put_since(blobs: BlobStore, lease: Lease, layout: Layout) -> None:
    digest = blobs.put(b"data")
    before = lease.stamp(layout.diff)
    blobs.put(b"data")
    assert blobs.delete(digest, before) == 0 and blobs.has(digest)
    assert blobs.delete(digest, lease.stamp(layout.diff)) == 4 and not blobs.has(digest)


def test_writing_needs_a_lease(layout: Layout) -> None:
    with pytest.raises(InvalidInput):
        BlobStore(layout).put(b"x")
    assert list(BlobStore(layout).walk()) == []


SLOW = """
import sys, io, time
from lamina.oci.digest import sha256
from lamina.store.blobs import BlobStore
from lamina.store.layout import Layout
from lamina.store.lease import Lease
data = b"x" * 300000
reads = 0
class Slow(io.RawIOBase):
    at = 0
    def read(self, size=-1):
        global reads
        reads += 1
        time.sleep(0.02)
        piece = data[self.at:self.at + 30000]
        self.at += len(piece)
        return piece
layout = Layout(sys.argv[1])
store = BlobStore(layout, Lease.acquire(layout))
print("ready", flush=True)
sys.stdin.readline()
store.put(Slow(), sha256(data), len(data))
print("read" if reads else "shared", flush=True)
"""


def test_two_processes_that_receive_one_blob_share(layout: Layout) -> None:
    layout.prepare()
    processes = [spawn(SLOW, layout.root) for _ in range(3)]
    for process in processes:
        line_of(process)
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    assert sorted(line_of(process) for process in processes) == ["read", "shared", "shared"]
    assert [end(process) for process in processes] == [0, 0, 0]
    assert BlobStore(layout).read(sha256(b"x" * 300000)) == b"x" * 300000


def test_who_waits_for_a_writer_that_dies_writes_itself(layout: Layout) -> None:
    layout.prepare()
    first, second = spawn(SLOW, layout.root), spawn(SLOW, layout.root)
    for process in (first, second):
        line_of(process)
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
        time.sleep(0.05)
    kill(first)
    assert line_of(second) == "read"
    assert end(second) == 0
    assert BlobStore(layout).has(sha256(b"x" * 300000))


def test_a_full_disk(small_disk: str) -> None:
    layout = Layout(small_disk + "/root")
    with Lease.acquire(layout) as lease:
        blobs = BlobStore(layout, lease)
        kept = blobs.put(b"kept")
        big = os.urandom(1 << 20)
        for data in (big, io.BytesIO(big)):
            with pytest.raises(NoSpace) as caught:
                blobs.put(data, sha256(big))
            assert caught.value.hint is not None
        assert names(layout) == [kept[7:]]
        assert blobs.read(kept) == b"kept"
        assert os.listdir(layout.leases) == [lease.id]


def test_a_folder_of_many_blobs(blobs: BlobStore, tmp_path: Path) -> None:
    digests = {blobs.put(str(number).encode()) for number in range(50)}
    (tmp_path / "root" / "blobs" / "sha256" / "README").write_text("not a blob")
    assert {blob.digest for blob in blobs.walk()} == digests
    assert digests == {Digest("sha256:" + hashlib.sha256(str(n).encode()).hexdigest()) for n in range(50)}
