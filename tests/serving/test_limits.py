"""Limits: clients that are slow, silent, too many, or send too much; a full disk; what is told to whom."""

from __future__ import annotations

import json
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from random import Random
from typing import Any

import pytest

from lamina.errors import Conflict, NoSpace
from lamina.layers.apply import apply_layer
from lamina.layers.context import Layers
from lamina.oci import media
from lamina.oci.digest import sha256
from lamina.serving.taking import Taker
from lamina.store.blobio import BlobWriter
from tests.layers.stores import state
from tests.registry.images import image, noise
from tests.serving.site import Site, eventually, running
from tests.serving.test_push import DATA, DIGEST, MADE, begun, is_there

CONNECTION = "lamina.serving.connection"


def connected(site: Site) -> socket.socket:
    host, _, port = site.host.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def ends(raw: socket.socket, within: float = 5.0) -> bytes:
    """What the server sends until it ends the connection."""
    raw.settimeout(within)
    found = b""
    try:
        while data := raw.recv(65536):
            found += data
    except ConnectionError:
        pass
    return found


@pytest.fixture
def hasty(store: Layers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Times are short."""
    for name, seconds in (("IDLE", 0.3), ("HEAD", 0.3), ("PIECE", 0.3), ("_LINGER", 0.1)):
        monkeypatch.setattr(f"{CONNECTION}.{name}", seconds)
    with running(store) as made:
        yield made


@pytest.mark.parametrize("begin", [b"", b"GET /v2/ HT", b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: "])
def test_a_head_that_never_ends(hasty: Site, begin: bytes) -> None:
    with connected(hasty) as raw:
        raw.sendall(begin)
        assert ends(raw) == b""


def test_a_head_that_comes_drop_by_drop(hasty: Site) -> None:
    began = time.monotonic()
    with connected(hasty) as raw:
        try:
            for _ in range(50):
                raw.sendall(b"X")
                time.sleep(0.05)
        except ConnectionError:
            pass
    assert time.monotonic() - began < 2


def test_a_body_that_never_comes(hasty: Site) -> None:
    place = begun(hasty)
    with connected(hasty) as raw:
        raw.sendall(f"PATCH {place} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc".encode())
        assert ends(raw) == b""
    assert hasty.ask("GET", place).headers["Range"] == "0-2"


def test_a_body_that_comes_drop_by_drop(hasty: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    place = begun(hasty)
    with connected(hasty) as raw:
        raw.sendall(f"PATCH {place} HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n".encode())
        began = time.monotonic()
        try:
            while time.monotonic() - began < 5:
                raw.sendall(b"X")
                time.sleep(0.05)
        except ConnectionError:
            pass
    assert time.monotonic() - began < 3


def test_a_client_that_does_not_take_what_it_asked_for(hasty: Site) -> None:
    big = image({"big": Random(1).randbytes(6 << 20)})
    hasty.push(big)
    threads = threading.active_count()
    with connected(hasty) as raw:
        raw.sendall(f"GET /v2/app/blobs/{big.layers[0]} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        time.sleep(0.6)
        assert len(ends(raw)) < 6 << 20
    assert threading.active_count() <= threads + 1


def test_heads_that_are_none(site: Site) -> None:
    for head, status in (
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", b"431"),
        (b"GET /" + b"y" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"431"),
        (b"rubbish\r\n\r\n", b"400"),
        (b"GET /v2/ HTTP/1.1\r\n\r\n", b"400"),  # no Host
        (b"PUT /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"PUT /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),  # TLS
    ):
        with connected(site) as raw:
            raw.sendall(head)
            assert ends(raw).startswith(b"HTTP/1.1 " + status), head[:50]
    assert site.ask("GET", "/v2/").status == 200


def test_a_body_that_is_badly_framed(site: Site) -> None:
    place = begun(site)
    with connected(site) as raw:
        head = f"PATCH {place} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        raw.sendall(head.encode() + b"3\r\nabc\r\nzz\r\n")
        ends(raw)
    assert site.ask("GET", place).headers["Range"] == "0-2"


def test_more_clients_than_there_is_room_for(store: Layers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who ask nothing make room."""
    monkeypatch.setattr("lamina.serving.server.CONNECTIONS", 4)
    monkeypatch.setattr("lamina.serving.server._JUST", 0.1)
    with running(store) as site, ExitStack() as stack:
        for number in range(6):
            raw = stack.enter_context(connected(site))
            if number < 4:
                raw.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert site.ask("GET", "/v2/").status == 200


def test_many_at_once(site: Site) -> None:
    made = image({"big": noise(1 << 20)})
    site.push(made)
    wrong: list[object] = []

    def work(number: int) -> None:
        try:
            own = image({"own": b"%d" % number})
            assert site.push(own, f"own{number}").status == 201
            for _ in range(3):
                assert site.ask("GET", f"/v2/app/blobs/{made.layers[0]}").body == made.blobs[made.layers[0]]
            assert site.ask("GET", f"/v2/own{number}/manifests/1").body == own.data
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_push_that_is_tried_again_while_the_first_goes_on(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that did not wait for the answer: the layers are unpacked once."""
    unpacked: list[object] = []

    def slow(*args: object, **named: object) -> object:
        unpacked.append(named["diff_id"])
        time.sleep(0.2)
        return apply_layer(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("lamina.serving.taking.apply_layer", slow)
    for data in MADE.blobs.values():
        site.upload(data, "app")
    with connected(site) as raw:
        head = f"PUT /v2/app/manifests/1 HTTP/1.1\r\nHost: x\r\nContent-Length: {len(MADE.data)}\r\n\r\n"
        raw.sendall(head.encode() + MADE.data)
        eventually(lambda: bool(unpacked))
    assert site.put(MADE, "1", "app").status == 201
    assert sorted(map(str, unpacked)) == sorted(set(map(str, unpacked)))


def test_too_many_uploads(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamina.serving.uploads.AT_ONCE", 3)
    places = [begun(site) for _ in range(3)]
    answer = site.ask("POST", "/v2/app/blobs/uploads/")
    assert (answer.status, answer.code) == (429, "TOOMANYREQUESTS")
    assert int(answer.headers["Retry-After"]) > 0
    site.ask("DELETE", places[0])
    assert site.ask("POST", "/v2/app/blobs/uploads/").status == 202


def test_memory_is_bounded(site: Site) -> None:
    """A blob of 96 MB goes in and out."""
    pieces = 96
    piece = noise(1 << 20)
    place = begun(site)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    site.ask("PATCH", place, (piece for _ in range(pieces)))
    size = int(site.ask("GET", place).headers["Range"][2:]) + 1
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert size == pieces << 20
    assert after - before < 32 << 10  # kB


# --- the disk, and what is not told


@pytest.mark.parametrize("way", ["POST", "PATCH"])
def test_a_full_disk(site: Site, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    before = state(site.store)
    write = BlobWriter.write

    def full(writer: BlobWriter, data: bytes) -> int:
        if writer.size + len(data) > 50_000:
            raise NoSpace(f"no space left while writing {site.store.layout.root}")
        return write(writer, data)

    place = f"/v2/app/blobs/uploads/?digest={DIGEST}" if way == "POST" else begun(site)
    monkeypatch.setattr(BlobWriter, "write", full)
    answer = site.ask(way, place, DATA)
    monkeypatch.undo()
    assert (answer.status, answer.code) == (507, "UNKNOWN")
    assert site.store.layout.root.encode() not in answer.body
    eventually(lambda: any("no space left" in line for line in site.told))
    assert state(site.store) == before
    assert site.upload(DATA, "app").status == 201


def test_a_full_disk_while_an_image_is_unpacked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise NoSpace("no space left")

    monkeypatch.setattr("lamina.serving.taking.apply_layer", full)
    assert site.push(MADE).status == 507
    monkeypatch.undo()
    assert site.ask("GET", "/v2/app/manifests/1").status == 404
    assert not os.listdir(site.store.layout.diff)
    assert is_there(site, MADE.layers[0])  # what was verified is there for the next try
    assert site.put(MADE, "1", "app").status == 201


@pytest.mark.parametrize(
    ("error", "status"), [(Conflict("locked"), 503), (RuntimeError("a fault"), 500), (OSError(5, "I/O"), 500)]
)
def test_a_fault_here_is_told_here(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(site.store.__class__, "_replace", fails)
    answer = site.ask("POST", "/v2/app/blobs/uploads/")
    monkeypatch.undo()
    assert answer.status == status
    assert str(error).encode() not in answer.body
    eventually(lambda: any(str(error) in line for line in site.told))
    assert site.ask("GET", "/v2/").status == 200


def test_a_page_in_a_browser_changes_nothing(site: Site) -> None:
    """It could reach what listens on this machine, wherever it came from."""
    before = state(site.store)
    for path in (f"/v2/app/blobs/uploads/?digest={DIGEST}", "/v2/app/blobs/uploads/"):
        answer = site.ask("POST", path, DATA, Origin="https://elsewhere.test")
        assert (answer.status, answer.code) == (403, "DENIED")
    assert state(site.store) == before


def test_the_log_tells_no_secrets(site: Site) -> None:
    site.ask("GET", "/v2/app/manifests/a%1b[31m%22?token=secret", Authorization="Bearer secret")
    eventually(lambda: len(site.told) > 1)
    line = site.told[1]
    assert "secret" not in line and "\x1b" not in line
    assert line.startswith('127.0.0.1 "GET /v2/app/manifests/a%1b[31m%22" 404 ')


def test_a_body_whose_length_is_told_twice(store: Layers) -> None:
    """A proxy may take the one and we the other: what one client sends would be another's request."""
    smuggled = b"0\r\n\r\nGET /v2/_catalog HTTP/1.1\r\nHost: x\r\n\r\n"
    lengths = f"Content-Length: {len(smuggled)}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with running(store) as site, connected(site) as raw:
        raw.sendall(b"POST /v2/app/blobs/uploads/ HTTP/1.1\r\nHost: x\r\n" + lengths + smuggled)
        answer = ends(raw)
    assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1 ") == 1


def test_indexes_that_name_each_other_often(store: Layers) -> None:
    """Four levels of 300 names each would be 8 billion images."""
    entry = {"mediaType": MADE.media_type, "digest": sha256(MADE.data), "size": len(MADE.data)}
    with running(store) as site:
        assert site.push(MADE).status == 201
        for _ in range(4):
            document = {"schemaVersion": 2, "mediaType": media.INDEX, "manifests": [entry] * 300}
            data = json.dumps(document).encode()
            began = time.monotonic()
            assert site.ask("PUT", "/v2/app/manifests/2", data, Content_Type=media.INDEX).status == 201
            assert time.monotonic() - began < 5
            entry = {"mediaType": media.INDEX, "digest": sha256(data), "size": len(data)}


def test_large_manifests_come_one_after_the_other(store: Layers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them takes some 30 MB while it is looked at, and a client may send many at once."""
    hold, inside, most = Taker._hold, [0], [0]

    def counted(self: Taker, *args: Any) -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        try:
            hold(self, *args)
        finally:
            inside[0] -= 1

    monkeypatch.setattr(Taker, "_hold", counted)
    entries = [{"mediaType": MADE.media_type, "digest": f"sha256:{n:064}", "size": 1} for n in range(2500)]
    data = json.dumps({"schemaVersion": 2, "mediaType": media.INDEX, "manifests": entries}).encode()
    with running(store) as site:
        ask = lambda: site.ask("PUT", "/v2/app/manifests/1", data, Content_Type=media.INDEX).status  # noqa: E731
        with ThreadPoolExecutor(4) as pool:
            assert [each.result() for each in [pool.submit(ask) for _ in range(4)]] == [400] * 4
        assert site.push(MADE).status == 201
    assert most == [1]
