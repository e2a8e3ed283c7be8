"""Checks of pushing blobs (end-4a, 4b, 5, 6, 11, 13): at once, in pieces, resumed, mounted, given up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lamina.testing.registries.bench import digest_of, noise, with_digest

if TYPE_CHECKING:
    from lamina.testing.registries.bench import Bench

_BYTES = {"Content-Type": "application/octet-stream"}


def check_post_then_put(bench: Bench) -> None:
    data = noise(50_000)
    reply = bench.finish(bench.begin(), digest_of(data), data)
    assert reply.status == 201, reply
    assert bench.ask("GET", reply.headers["location"]).body == data


def check_a_single_post(bench: Bench) -> None:
    """201 with the blob there, or 202 and an upload to go on with."""
    data = noise(2000)
    path = with_digest(f"{bench.repository}/blobs/uploads/", digest_of(data))
    reply = bench.ask("POST", path, data, _BYTES)
    if reply.status == 202:
        bench.need("one-post")
        reply = bench.finish(reply.headers["location"], digest_of(data), data)
    assert reply.status == 201, reply
    assert bench.blob(digest_of(data)) == data


def check_bytes_of_another_digest(bench: Bench) -> None:
    wanted = digest_of(b"right")
    reply = bench.finish(bench.begin(), wanted, b"wrong")
    assert (reply.status, reply.codes()) == (400, ["DIGEST_INVALID"])
    assert bench.blob(wanted) is None
    assert bench.blob(digest_of(b"wrong")) is None


def check_an_end_without_a_digest(bench: Bench) -> None:
    for end in ("", "digest=", "digest=sha256:abc", "digest=x"):
        location = bench.begin()
        url = f"{location}{'&' if '?' in location else '?'}{end}"
        reply = bench.ask("PUT", url, b"data", _BYTES)
        assert reply.status == 400, end


def check_pieces(bench: Bench) -> None:
    data = noise(30_000)
    location = bench.begin()
    for start in (0, 10_000):
        reply = bench.patch(location, data[start : start + 10_000], start)
        assert reply.status == 202, reply
        assert reply.headers["range"] == f"0-{start + 9_999}"
        location = reply.headers["location"]
    reply = bench.finish(location, digest_of(data), data[20_000:], 20_000)
    assert reply.status == 201, reply
    assert bench.blob(digest_of(data)) == data


def check_pieces_and_an_empty_end(bench: Bench) -> None:
    data = noise(3_000)
    reply = bench.patch(bench.begin(), data, 0)
    assert bench.finish(reply.headers["location"], digest_of(data)).status == 201
    assert bench.blob(digest_of(data)) == data


def check_pieces_of_unknown_length(bench: Bench) -> None:
    """As Docker and Podman send a layer: PATCH without a range, in chunks (RFC 9112, 7.1)."""
    data = noise(200_000)
    reply = bench.ask("PATCH", bench.begin(), iter([data[:70_000], data[70_000:]]), _BYTES)
    assert (reply.status, reply.headers["range"]) == (202, "0-199999")
    assert bench.finish(reply.headers["location"], digest_of(data)).status == 201
    assert bench.blob(digest_of(data)) == data


def check_pieces_of_another_digest(bench: Bench) -> None:
    reply = bench.patch(bench.begin(), b"one", 0)
    reply = bench.finish(reply.headers["location"], digest_of(b"two"))
    assert (reply.status, reply.codes()) == (400, ["DIGEST_INVALID"])
    assert bench.blob(digest_of(b"one")) is None


def check_how_far_an_upload_is(bench: Bench) -> None:
    location = bench.patch(bench.begin(), noise(1000), 0).headers["location"]
    reply = bench.ask("GET", location)
    assert (reply.status, reply.headers["range"]) == (204, "0-999")
    assert reply.headers["location"]


def check_a_piece_out_of_order(bench: Bench) -> None:
    bench.need("order")
    data = noise(3000)
    location = bench.begin()
    reply = bench.patch(location, data[1000:2000], 1000)
    assert reply.status == 416, "the first piece does not begin at 0"
    location = bench.ask("GET", location).headers["location"]
    location = bench.patch(location, data[:1000], 0).headers["location"]
    for start in (0, 500, 2000):
        assert bench.patch(location, data[start : start + 1000], start).status == 416, start
    location = bench.ask("GET", location).headers["location"]
    assert bench.finish(location, digest_of(data), data[1000:], 1000).status == 201
    assert bench.blob(digest_of(data)) == data


def check_a_connection_that_breaks(bench: Bench) -> None:
    """What has come of a piece is there for whoever asks how far it is, and the upload goes on from there."""
    bench.need("resume")
    data = noise(600_000)
    location = bench.begin()
    line = bench.connect()
    line.putrequest("PATCH", bench.path(location))
    if bench.target.user:
        line.putheader("Authorization", bench.basic())
    line.putheader("Content-Length", str(len(data)))
    line.putheader("Content-Range", f"0-{len(data) - 1}")
    line.putheader("Content-Type", "application/octet-stream")
    line.endheaders()
    line.send(data[:400_000])
    line.close()
    end, location = _settled(bench, location)
    assert 0 < end <= 400_000
    reply = bench.finish(location, digest_of(data), data[end:], end)
    assert reply.status == 201, reply
    assert bench.blob(digest_of(data)) == data


def _settled(bench: Bench, location: str) -> tuple[int, str]:
    """How much has come, once the registry has seen that no more comes."""
    end, deadline = -1, time.monotonic() + 5
    while time.monotonic() < deadline:
        reply = bench.ask("GET", location)
        assert reply.status == 204, reply
        now = int(reply.headers["range"].removeprefix("0-")) + 1
        if now == end > 1:
            break
        end, location = now, reply.headers["location"]
        time.sleep(0.05)
    return end, location


def check_a_put_that_breaks_leaves_nothing(bench: Bench) -> None:
    data = noise(300_000)
    line = bench.connect()
    line.putrequest("PUT", bench.path(with_digest(bench.begin(), digest_of(data))))
    if bench.target.user:
        line.putheader("Authorization", bench.basic())
    line.putheader("Content-Length", str(len(data)))
    line.endheaders()
    line.send(data[:200_000])
    line.close()
    assert bench.blob(digest_of(data)) is None
    assert bench.put_blob(data) == digest_of(data)


def check_the_same_blob_again(bench: Bench) -> None:
    assert bench.put_blob(b"twice") == bench.put_blob(b"twice")
    assert bench.blob(digest_of(b"twice")) == b"twice"


def check_an_upload_that_is_given_up(bench: Bench) -> None:
    location = bench.patch(bench.begin(), b"some", 0).headers["location"]
    assert bench.ask("DELETE", location).status in (200, 202, 204)
    reply = bench.ask("GET", location)
    assert (reply.status, reply.codes()) == (404, ["BLOB_UPLOAD_UNKNOWN"])
    assert bench.patch(location, b"more", 4).status == 404


def check_an_upload_is_of_its_repository(bench: Bench) -> None:
    location = bench.begin()
    elsewhere = location.replace(bench.repository, bench.repository + "-other")
    assert bench.ask("GET", elsewhere).status in (400, 404)
    assert bench.patch(elsewhere, b"x", 0).status in (400, 404)


def check_an_upload_that_never_was(bench: Bench) -> None:
    path = f"{bench.repository}/blobs/uploads/b8a1ba5f-dd4c-4d37-8f6c-4a8a4e3d0d5e"
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        target = with_digest(path, digest_of(b"x")) if method == "PUT" else path
        assert bench.ask(method, target, b"" if method in ("GET", "DELETE") else b"x").status in (400, 404)


def check_a_mount(bench: Bench) -> None:
    data = b"mounted " + bench.repository.encode()
    digest = bench.put_blob(data)
    other = bench.repository + "-other"
    reply = bench.ask("POST", f"{other}/blobs/uploads/?mount={digest}&from={bench.repository}")
    assert reply.status == 201, reply
    assert bench.ask("GET", reply.headers["location"]).body == data
    assert bench.blob(digest, other) == data


def check_a_mount_of_what_is_not_there(bench: Bench) -> None:
    """It begins an upload, which can be used as one."""
    data = b"not there " + bench.repository.encode()
    for query in (f"mount={digest_of(data)}&from={bench.repository}-none", f"mount={digest_of(data)}"):
        reply = bench.ask("POST", f"{bench.repository}/blobs/uploads/?{query}")
        assert reply.status == 202, reply
    assert bench.finish(reply.headers["location"], digest_of(data), data).status == 201
    assert bench.blob(digest_of(data)) == data


def check_a_large_blob(bench: Bench) -> None:
    data = noise(8 << 20)
    assert bench.put_blob(data) == digest_of(data)
    assert bench.blob(digest_of(data)) == data
