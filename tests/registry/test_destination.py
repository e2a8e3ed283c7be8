"""Destination: blobs and manifests into a real registry, and what is deleted from it."""

from __future__ import annotations

import io
import json
import random
import subprocess
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.errors import Denied, InvalidInput, NotFound, Unsupported
from lamina.fetch.failures import FetchFailed
from lamina.oci import media
from lamina.oci import reference as references
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest, sha256
from lamina.registry.destination import Destination
from lamina.registry.failures import ManifestRefused
from lamina.registry.repository import Repository
from lamina.registry.settings import Settings
from tests.registry.distribution import Registry, own_registry, running
from tests.registry.images import Made, descriptor, image, manifest, noise
from tests.registry.test_auth import auths, entry

MADE = image({"a": b"1"}, {"b": noise(300_000)})


@pytest.fixture(scope="module")
def shared() -> Iterator[Registry]:
    """One registry for all tests here, which counts; each has repositories of its own."""
    with own_registry(count=True) as made:
        yield made


@pytest.fixture
def counted(shared: Registry) -> Registry:
    shared.requests.clear()
    return shared


def destination(name: str, settings: Settings | None = None) -> Destination:
    return Destination(references.parse(name), settings or Settings())


def repository(name: str, settings: Settings | None = None) -> Repository:
    return Repository(references.parse(name), settings or Settings())


def upload(to: Destination, data: bytes, progress: Callable[[int, int], object] | None = None) -> Digest:
    found = Descriptor(media.LAYER, sha256(data), len(data))
    to.upload(found, lambda: io.BytesIO(data), progress or (lambda done, total: None))
    return found.digest


def push(to: Destination, made: Made, name: str) -> None:
    for data in made.blobs.values():
        upload(to, data)
    to.put_manifest(made.data, made.media_type, name)


def test_an_image_that_skopeo_reads(counted: Registry) -> None:
    with destination(counted.name("whole:1")) as to:
        push(to, MADE, "1")
        assert to.manifest_digest("1") == MADE.digest
        assert to.manifest_digest(MADE.digest) == MADE.digest
        assert to.manifest_digest("2") is None
    command = ["skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{counted.name('whole:1')}"]
    assert subprocess.run(command, check=True, capture_output=True).stdout == MADE.data


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 700_000])
def test_blobs_of_any_size(counted: Registry, size: int) -> None:
    told: list[tuple[int, int]] = []
    data = noise(size)
    with destination(counted.name("sizes")) as to:
        assert not to.has_blob(sha256(data))
        upload(to, data, lambda done, total: told.append((done, total)))
        assert to.has_blob(sha256(data))
    assert told[-1] == (size, size)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert counted.requests.up == size
    with repository(counted.name("sizes")) as found, found.open(_described(data)) as stream:
        assert stream.read() == data


def test_a_mount_moves_no_bytes(counted: Registry) -> None:
    data = noise(500_000)
    with destination(counted.name("mount/from")) as to:
        digest = upload(to, data)
    counted.requests.clear()
    with destination(counted.name("mount/to")) as to:
        assert to.mount(digest, "mount/from")
        assert to.has_blob(digest)
    assert counted.requests.up == 0
    assert [row.method for row in counted.requests.rows if "/blobs/" in row.path] == ["POST", "HEAD"]


def test_a_mount_that_is_none_begins_the_upload(counted: Registry) -> None:
    data = b"to be sent after all"
    with destination(counted.name("mount/none")) as to:
        assert not to.mount(sha256(data), "mount/from")
        upload(to, data)
        assert to.has_blob(sha256(data))
    assert [row.method for row in counted.requests.rows if "/blobs/" in row.path] == ["POST", "PUT", "HEAD"]


def test_a_stream_whose_digest_is_known_at_its_end(counted: Registry) -> None:
    data = random.Random(7).randbytes(7 << 20)

    def fill(write: Callable[[bytes], object]) -> None:
        for start in range(0, len(data), 300_001):
            write(data[start : start + 300_001])

    told: list[int] = []
    with destination(counted.name("stream")) as to:
        assert to.stream(fill, lambda done, _: told.append(done)) == (sha256(data), len(data))
        assert to.has_blob(sha256(data))
        assert to.stream(lambda write: None, lambda done, _: None) == (sha256(b""), 0)
    assert told == [5 << 20, 7 << 20]


def test_what_a_stream_fails_with(counted: Registry) -> None:
    def fill(write: Callable[[bytes], object]) -> None:
        write(bytes(6 << 20))
        raise NotFound("what it is made of")

    with destination(counted.name("stream")) as to, pytest.raises(NotFound, match="what it is made of"):
        to.stream(fill, lambda done, _: None)


def test_memory_does_not_grow_with_a_blob(shared: Registry) -> None:
    size = 24 << 20
    name = shared.name("memory").replace(str(shared.port), str(shared.port))
    zeros = Descriptor(media.LAYER, Digest("sha256:" + _digest_of_zeros(size)), size)
    with destination(name) as to:
        to.has_blob(zeros.digest)
        tracemalloc.start()
        try:
            to.upload(zeros, lambda: _Zeros(size), lambda done, total: None)
            _, sent = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            with repository(name) as found, found.open(zeros) as stream:
                while stream.read(1 << 16):
                    pass
            _, read = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert max(sent, read) < 3 << 20


def _digest_of_zeros(size: int) -> str:
    import hashlib

    return hashlib.sha256(bytes(size)).hexdigest()


class _Zeros(io.RawIOBase):
    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1) -> bytes:
        count = min(size, self._left)
        self._left -= count
        return bytes(count)


def test_connections_are_kept(counted: Registry) -> None:
    with destination(counted.name("kept:1")) as to:
        for number in range(5):
            data = b"%d" % number
            assert not to.has_blob(sha256(data))
            upload(to, data)
        to.manifest_digest("none")
    assert len(counted.requests.rows) > 15
    assert counted.requests.connections <= 2  # the first asks whether it speaks TLS


def test_threads_share_a_destination(counted: Registry) -> None:
    import threading

    failures: list[BaseException] = []

    def work(to: Destination, number: int) -> None:
        try:
            for each in range(3):
                upload(to, b"%d of %d" % (each, number))
        except BaseException as error:
            failures.append(error)

    with destination(counted.name("threads")) as to:
        threads = [threading.Thread(target=work, args=(to, number)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert to.has_blob(sha256(b"2 of 5"))
    assert counted.requests.connections <= 7


# --- manifests that are refused


def test_a_manifest_whose_blobs_are_missing(counted: Registry) -> None:
    with destination(counted.name("missing")) as to, pytest.raises(ManifestRefused) as caught:
        to.put_manifest(MADE.data, MADE.media_type, "1")
    assert caught.value.codes[0] == "MANIFEST_BLOB_UNKNOWN"
    assert f"the manifest of {counted.name('missing:1')}: {counted.host} answered 4" in caught.value.message


def test_who_may_not_push(place: Path) -> None:
    with running(place / "r", users=True) as registry:
        for settings in (Settings(), auths(place, {registry.host: entry("worker", "wrong")})):
            with destination(registry.name("app"), settings) as to:
                with pytest.raises(Denied, match=f"push access denied for {registry.host}/app, .*required"):
                    upload(to, b"x")
                with pytest.raises(Denied, match="push access denied"):
                    to.put_manifest(MADE.data, MADE.media_type, "1")
                with pytest.raises(Denied, match="push access denied"):
                    to.has_blob(sha256(b"x"))


def test_who_may(place: Path) -> None:
    with running(place / "r", users=True) as registry:
        settings = auths(place, {registry.host: entry("worker", "a secret")})
        with destination(registry.name("app"), settings) as to:
            push(to, MADE, "1")
        with repository(registry.name("app:1"), settings) as found:
            assert found.resolve() == MADE.digest
            assert found.tags() == ["1"]


def test_no_registry_at_all() -> None:
    with destination("localhost:1/app") as to:
        with pytest.raises(FetchFailed, match=r"cannot push blob [0-9a-f]{12} to localhost:1/app: .*refused"):
            upload(to, b"x")
        with pytest.raises(FetchFailed, match=r"cannot push the manifest of localhost:1/app:v: .*refused"):
            to.put_manifest(MADE.data, MADE.media_type, "v")


def test_offline(counted: Registry) -> None:
    settings = Settings(offline=True)
    with destination(counted.name("app"), settings) as to, pytest.raises(FetchFailed, match="is offline"):
        to.has_blob(sha256(b"x"))
    assert not counted.requests.rows


# --- referrers without the API


def _artifact(to: Destination, kind: str, subject: Made) -> bytes:
    made = manifest(b"{}", [b"content"], (media.MANIFEST, media.EMPTY, "text/plain"))
    document = json.loads(made.data)
    document["artifactType"] = kind
    document["annotations"] = {"k": "v"}
    document["subject"] = descriptor(subject.data, subject.media_type)
    for data in made.blobs.values():
        upload(to, data)
    data = json.dumps(document).encode()
    to.put_manifest(data, media.MANIFEST, sha256(data))
    return data


def test_referrers_in_the_fallback_tag(counted: Registry) -> None:
    name = counted.name("referrers:1")
    with destination(name) as to, repository(name) as found:
        push(to, MADE, "1")
        assert found.referrers(Digest(MADE.digest)) == []
        first, second = _artifact(to, "x/first", MADE), _artifact(to, "x/second", MADE)
        both = found.referrers(Digest(MADE.digest))
        assert [(each.digest, each.artifact_type) for each in both] == [
            (sha256(first), "x/first"),
            (sha256(second), "x/second"),
        ]
        assert both[0].annotations == {"k": "v"}
        assert both[0].size == len(first)
        assert found.referrers(Digest(MADE.digest), "x/second") == both[1:]
        to.put_manifest(first, media.MANIFEST, sha256(first))  # again: it is listed once
        assert found.referrers(Digest(MADE.digest)) == both
        to.delete_manifest(sha256(first))
        assert found.referrers(Digest(MADE.digest)) == both[1:]
        assert MADE.digest.replace(":", "-") in found.tags()


@pytest.mark.parametrize("name", ["a b", "../x", "a?b", "sha256:abc", "", "x\r\nHost: y", "-a"])
def test_what_is_no_name_of_a_manifest(counted: Registry, name: str) -> None:
    with destination(counted.name("app")) as to:
        for ask in (to.manifest_digest, to.delete_tag):
            with pytest.raises(InvalidInput):
                ask(name)
        with pytest.raises(InvalidInput):
            to.put_manifest(MADE.data, MADE.media_type, name)
    assert not counted.requests.of("PUT")
    assert not counted.requests.of("DELETE")


# --- deletes


def test_deletes(counted: Registry) -> None:
    with destination(counted.name("deletes")) as to:
        push(to, MADE, "1")
        to.put_manifest(MADE.data, MADE.media_type, "2")
        to.delete_manifest(Digest(MADE.digest))
        assert to.manifest_digest("1") is None
        assert to.manifest_digest("2") is None
        with pytest.raises(NotFound, match=f"of {counted.name('deletes')} not found"):
            to.delete_manifest(Digest(MADE.digest))
        blob = Digest(MADE.layers[0])
        to.delete_blob(blob)
        assert not to.has_blob(blob)
        with pytest.raises(NotFound, match="blob"):
            to.delete_blob(blob)


def test_a_tag_alone_where_the_registry_cannot(counted: Registry) -> None:
    with destination(counted.name("deletes")) as to:
        push(to, MADE, "1")
        with pytest.raises(Unsupported, match=r"cannot delete tag .*deletes:1") as caught:
            to.delete_tag("1")
        assert "NAME@sha256" in (caught.value.hint or "")


def test_deletes_that_are_off(place: Path) -> None:
    with running(place / "r", deletes=False) as registry, destination(registry.name("app")) as to:
        push(to, MADE, "1")
        with pytest.raises(Unsupported, match=r"cannot delete manifest .* unsupported"):
            to.delete_manifest(Digest(MADE.digest))
        with pytest.raises(Unsupported, match="cannot delete blob"):
            to.delete_blob(Digest(MADE.layers[0]))


def _described(data: bytes) -> Descriptor:
    return Descriptor(media.LAYER, sha256(data), len(data))
