"""Checks of pulling blobs (end-2), whole and in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.testing.registries.bench import noise

if TYPE_CHECKING:
    from lamina.testing.registries.bench import Bench

_MISSING = "sha256:" + "0" * 64


def check_a_blob_comes_as_it_was_put(bench: Bench) -> None:
    data = noise(100_000)
    digest = bench.put_blob(data)
    reply = bench.ask("GET", f"{bench.repository}/blobs/{digest}")
    assert (reply.status, reply.body) == (200, data)
    assert reply.headers.get("docker-content-digest", digest) == digest
    assert reply.headers["content-length"] == str(len(data))


def check_head_says_how_long_a_blob_is(bench: Bench) -> None:
    digest = bench.put_blob(noise(1000))
    reply = bench.ask("HEAD", f"{bench.repository}/blobs/{digest}")
    assert (reply.status, reply.headers["content-length"]) == (200, "1000")
    assert reply.headers.get("docker-content-digest", digest) == digest


def check_a_blob_that_is_not_there(bench: Bench) -> None:
    bench.put_blob(b"another")
    assert bench.ask("HEAD", f"{bench.repository}/blobs/{_MISSING}").status == 404
    reply = bench.ask("GET", f"{bench.repository}/blobs/{_MISSING}")
    assert (reply.status, reply.codes()) == (404, ["BLOB_UNKNOWN"])


def check_a_blob_is_of_its_repository(bench: Bench) -> None:
    """What one may read in one repository is not for that to be read in another."""
    digest = bench.put_blob(b"mine alone " + bench.repository.encode())
    bench.put_blob(b"of another", bench.repository + "-other")
    assert bench.blob(digest, bench.repository + "-other") is None


def check_what_is_no_digest(bench: Bench) -> None:
    bench.put_blob(b"x")
    for digest in ("sha256:abc", "sha256:" + "g" * 64, "md5:" + "0" * 32, "sha256", "sha256:../../x", "x"):
        reply = bench.ask("GET", f"{bench.repository}/blobs/{digest}")
        assert reply.status in (301, 400, 404), digest


def check_the_empty_blob(bench: Bench) -> None:
    digest = bench.put_blob(b"")
    assert bench.blob(digest) == b""
    assert bench.ask("HEAD", f"{bench.repository}/blobs/{digest}").headers["content-length"] == "0"


def check_parts_of_a_blob(bench: Bench) -> None:
    bench.need("ranges")
    data = noise(10_000)
    path = f"{bench.repository}/blobs/{bench.put_blob(data)}"
    for asked, start, end in (
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=9990-", 9990, 10_000),
        ("bytes=-10", 9990, 10_000),
        ("bytes=9000-20000", 9000, 10_000),
    ):
        reply = bench.ask("GET", path, headers={"Range": asked})
        assert (reply.status, reply.body) == (206, data[start:end]), asked
        assert reply.headers["content-range"] == f"bytes {start}-{end - 1}/10000"
        assert reply.headers["content-length"] == str(end - start)


def check_parts_beyond_the_end(bench: Bench) -> None:
    bench.need("ranges")
    bench.need("range-errors")
    path = f"{bench.repository}/blobs/{bench.put_blob(noise(100))}"
    assert bench.ask("GET", path, headers={"Range": "bytes=100-"}).status == 416
    assert bench.ask("GET", path, headers={"Range": "bytes=200-300"}).status == 416


def check_what_is_no_range_is_passed_over_or_refused(bench: Bench) -> None:
    bench.need("range-errors")
    data = noise(100)
    path = f"{bench.repository}/blobs/{bench.put_blob(data)}"
    for asked in ("bytes=x", "lines=1-2", "bytes=5-2", "bytes=--1"):
        reply = bench.ask("GET", path, headers={"Range": asked})
        assert (reply.status, reply.body) == (200, data) or reply.status in (400, 416), asked
