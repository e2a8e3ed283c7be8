"""fetch: one file over HTTP, from servers that do all that servers do."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pytest

from lamina.errors import (
    Cancelled,
    Corrupt,
    Denied,
    InvalidInput,
    LaminaError,
    NoSpace,
    NotFound,
    Unsupported,
)
from lamina.fetch.exchange import Access
from lamina.fetch.failures import FetchFailed
from lamina.fetch.http import Known, fetch
from lamina.oci.digest import Digest, sha256
from tests.fetch.server import MODIFIED, Answer, Handler, Site, make_certificate, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.fetch.stopping import Killable

BIG = os.urandom(1 << 20)
ETAG = f'"{hash(BIG) & 0xFFFFFFFF:x}"'


def content(sink: BinaryIO) -> bytes:
    sink.seek(0)
    return sink.read()


def test_a_file_and_what_the_server_says_of_it(site: Site, sink: BinaryIO) -> None:
    site.pages["/f"] = BIG
    told: list[tuple[int, int]] = []
    got = fetch(site.url + "/f", sink, progress=lambda *at: told.append(at))
    assert got is not None
    assert got.digest == sha256(BIG)
    assert (got.size, got.time, got.known.etag) == (len(BIG), MODIFIED, ETAG)
    assert content(sink) == BIG
    assert told[-1] == (len(BIG), len(BIG))


def test_without_a_date_or_with_a_bad_one_there_is_no_time(site: Site, sink: BinaryIO) -> None:
    for path, headers in {"/none": {}, "/bad": {"Last_Modified": "yesterday"}}.items():
        site.pages[path] = lambda h, headers=headers: h.reply(200, b"x", **headers)  # type: ignore[misc]
        got = fetch(site.url + path, sink)
        assert got is not None
        assert got.time is None


def test_an_unchanged_file_is_not_sent_again(site: Site, sink: BinaryIO) -> None:
    site.pages["/f"] = BIG
    first = fetch(site.url + "/f", sink)
    assert first is not None
    assert fetch(site.url + "/f", sink, known=first.known) is None
    site.pages["/f"] = b"new"
    second = fetch(site.url + "/f", sink, known=first.known)
    assert second is not None
    assert second.digest == sha256(b"new")
    assert site.header("If-None-Match") == [None, ETAG, ETAG]


def test_without_an_etag_the_date_is_asked_with(site: Site, sink: BinaryIO) -> None:
    date = formatdate(MODIFIED, usegmt=True)

    def answer(handler: Handler) -> None:
        unchanged = handler.headers.get("If-Modified-Since") == date
        handler.reply(304 if unchanged else 200, b"" if unchanged else b"x", Last_Modified=date)

    site.pages["/f"] = answer
    first = fetch(site.url + "/f", sink)
    assert first is not None
    assert fetch(site.url + "/f", sink, known=first.known) is None


def test_a_date_of_this_very_second_proves_nothing(site: Site, sink: BinaryIO) -> None:
    site.pages["/f"] = lambda h: h.reply(200, b"x", Last_Modified=formatdate(usegmt=True))
    got = fetch(site.url + "/f", sink)
    assert got is not None
    assert got.known == Known()
    assert got.time is not None


def test_a_checksum_that_is_right_or_wrong(site: Site, sink: BinaryIO) -> None:
    site.pages["/f"] = BIG
    assert fetch(site.url + "/f", sink, expected=sha256(BIG))
    with pytest.raises(Corrupt, match=f"digest mismatch for {site.url}/f: {sha256(BIG)}") as caught:
        fetch(site.url + "/f", sink, expected=sha256(b""))
    assert str(sha256(b"")) in caught.value.message


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(site: Site, sink: BinaryIO, status: int) -> None:
    site.pages["/a/b"] = lambda h: h.reply(status, Location="../c?d=e")
    site.pages["/c"] = b"here"
    assert fetch(site.url + "/a/b", sink)
    assert content(sink) == b"here"
    assert site.paths == ["/a/b", "/c?d=e"]


def test_redirects_without_end(site: Site, sink: BinaryIO) -> None:
    site.pages["/a"] = lambda h: h.reply(302, Location="/a")
    with pytest.raises(FetchFailed, match="more than 10 redirects"):
        fetch(site.url + "/a", sink)


def test_a_redirect_to_something_else_than_http(site: Site, sink: BinaryIO) -> None:
    site.pages["/a"] = lambda h: h.reply(302, Location="file:///etc/passwd")
    with pytest.raises(FetchFailed, match="redirects to 'file:///etc/passwd'"):
        fetch(site.url + "/a", sink)


def test_secrets_go_to_no_other_host(site: Site, sink: BinaryIO) -> None:
    with serve(host="127.0.0.2") as other:
        other.pages["/there"] = b"x"
        site.pages["/away"] = lambda h: h.reply(302, Location=other.url + "/there")
        site.pages["/near"] = lambda h: h.reply(302, Location="/here")
        site.pages["/here"] = b"y"
        access = Access("Bearer s3cret")
        fetch(site.url + "/away", sink, access=access)
        fetch(site.url + "/near", sink, access=access)
        assert other.header("Authorization") == [None]
        assert site.header("Authorization") == ["Bearer s3cret"] * 3


def test_a_password_in_the_url_is_used_and_never_shown(site: Site, sink: BinaryIO) -> None:
    site.pages["/f"] = b"x"
    url = site.url.replace("://", "://me:p%40ss@")
    fetch(url + "/f", sink)
    assert site.header("Authorization") == ["Basic bWU6cEBzcw=="]
    with pytest.raises(NotFound) as caught:
        fetch(url + "/nothing", sink)
    assert "p%40ss" not in caught.value.message
    assert "me:xxxxx@localhost" in caught.value.message


def _then(*answers: Answer | int) -> Answer:
    """Answers one after the other; a number is a status."""
    left = list(answers)

    def answer(handler: Handler) -> None:
        now = left.pop(0)
        handler.reply(now) if isinstance(now, int) else now(handler)

    return answer


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(site: Site, sink: BinaryIO, status: int) -> None:
    site.pages["/f"] = _then(status, status, lambda h: h.reply(200, b"x"))
    assert fetch(site.url + "/f", sink)
    assert len(site.asked) == 3


def test_retry_after_is_honoured(site: Site, sink: BinaryIO) -> None:
    site.pages["/f"] = _then(lambda h: h.reply(429, Retry_After="1"), lambda h: h.reply(200, b"x"))
    start = time.monotonic()
    assert fetch(site.url + "/f", sink)
    assert time.monotonic() - start >= 1


def test_a_retry_after_of_an_hour_is_not_waited_for(site: Site, sink: BinaryIO) -> None:
    site.pages["/f"] = lambda h: h.reply(503, Retry_After="3600")
    with pytest.raises(FetchFailed, match=r"localhost:\d+ answered 503"):
        fetch(site.url + "/f", sink)
    assert len(site.asked) == 1


def test_attempts_come_to_an_end(site: Site, sink: BinaryIO) -> None:
    site.pages["/f"] = lambda h: h.reply(502)
    with pytest.raises(FetchFailed, match="answered 502"):
        fetch(site.url + "/f", sink)
    assert len(site.asked) == 5


@pytest.mark.parametrize(
    ("status", "kind"), [(404, NotFound), (410, NotFound), (401, Denied), (403, Denied), (400, FetchFailed)]
)
def test_what_will_not_pass_is_not_tried_again(
    site: Site, sink: BinaryIO, status: int, kind: type[LaminaError]
) -> None:
    site.pages["/f"] = lambda h: h.reply(status)
    with pytest.raises(kind, match=rf"localhost:\d+ answered {status}"):
        fetch(site.url + "/f", sink)
    assert len(site.asked) == 1


def test_a_broken_connection_is_resumed(site: Site, sink: BinaryIO) -> None:
    site.pages["/f"] = _then(lambda h: h.broken(BIG, 700_000, ETag=ETAG), lambda h: h.file(BIG))
    got = fetch(site.url + "/f", sink)
    assert got is not None
    assert content(sink) == BIG
    assert got.digest == sha256(BIG)
    range_ = site.header("Range")[1]
    assert range_ is not None
    assert 0 < int(range_.removeprefix("bytes=").rstrip("-")) <= 700_000
    assert site.header("If-Range")[1] == ETAG


def test_what_changed_meanwhile_is_fetched_from_its_start(site: Site, sink: BinaryIO) -> None:
    site.pages["/f"] = _then(lambda h: h.broken(BIG, 700_000, ETag='"old"'), lambda h: h.file(BIG[::-1]))
    got = fetch(site.url + "/f", sink)
    assert got is not None
    assert content(sink) == BIG[::-1]
    assert got.digest == sha256(BIG[::-1])


def test_a_server_without_validators_sends_all_again(site: Site, sink: BinaryIO) -> None:
    site.pages["/f"] = _then(lambda h: h.broken(BIG, 700_000), lambda h: h.reply(200, BIG))
    assert fetch(site.url + "/f", sink)
    assert content(sink) == BIG
    assert site.header("Range") == [None, None]


def test_a_server_that_sends_another_part_than_asked(site: Site, sink: BinaryIO) -> None:
    def wrong(handler: Handler) -> None:
        handler.reply(206, BIG[:10], Content_Range=f"bytes 0-9/{len(BIG)}", ETag=ETAG)

    site.pages["/f"] = _then(lambda h: h.broken(BIG, 700_000, ETag=ETAG), wrong, lambda h: h.file(BIG))
    assert fetch(site.url + "/f", sink)
    assert content(sink) == BIG
    assert site.header("Range")[2] is None


def test_what_is_packed_on_the_way_is_unpacked(site: Site, sink: BinaryIO) -> None:
    site.pages["/f"] = lambda h: h.reply(200, gzip.compress(BIG), Content_Encoding="gzip")
    got = fetch(site.url + "/f", sink)
    assert got is not None
    assert got.digest == sha256(BIG)


def test_a_limit_of_size(site: Site, sink: BinaryIO) -> None:
    site.pages["/f"] = BIG
    assert fetch(site.url + "/f", sink, limit=len(BIG))
    with pytest.raises(InvalidInput, match=f"larger than {len(BIG) - 1} bytes"):
        fetch(site.url + "/f", sink, limit=len(BIG) - 1)
    site.pages["/bomb"] = lambda h: h.reply(200, gzip.compress(bytes(1 << 20)), Content_Encoding="gzip")
    with pytest.raises(InvalidInput, match="larger than 10000 bytes"):
        fetch(site.url + "/bomb", sink, limit=10_000)


def test_a_full_disk(site: Site) -> None:
    site.pages["/f"] = BIG
    with (
        open("/dev/full", "r+b", buffering=0) as full,
        pytest.raises((NoSpace, LaminaError, OSError)) as caught,
    ):
        full.truncate = lambda size=None: 0  # type: ignore[method-assign]
        fetch(site.url + "/f", full)
    assert isinstance(caught.value, NoSpace)


@pytest.mark.parametrize("url", ["ftp://h/x", "/etc/passwd", "http:///x", "http://h:x/"])
def test_what_is_no_url(sink: BinaryIO, url: str) -> None:
    with pytest.raises(InvalidInput, match="invalid URL"):
        fetch(url, sink)


def test_a_host_that_is_not_there(sink: BinaryIO) -> None:
    with pytest.raises(FetchFailed, match=r"cannot look up nothing\.invalid"):
        fetch("http://nothing.invalid/x", sink)


def test_a_port_where_nobody_listens(sink: BinaryIO) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(FetchFailed, match=r"127\.0\.0\.1:\d+: connection refused"):
            fetch(f"http://127.0.0.1:{port}/x", sink)


def test_a_server_that_never_answers(sink: BinaryIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamina.fetch.connections.READ_TIMEOUT", 0.1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(10)
        with pytest.raises(FetchFailed, match=r"127\.0\.0\.1:\d+: no answer in time"):
            fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/x", sink)


def test_a_server_that_hangs_up_at_once(sink: BinaryIO) -> None:
    with socket.socket() as rude:
        rude.bind(("127.0.0.1", 0))
        rude.listen(10)

        def hang_up() -> None:
            for _ in range(5):
                rude.accept()[0].close()

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        with pytest.raises(FetchFailed, match=r"127\.0\.0\.1:\d+: the connection broke"):
            fetch(f"http://127.0.0.1:{rude.getsockname()[1]}/x", sink)
        thread.join()


# --- TLS

_PROGRAM = """
import sys, tempfile
from lamina.errors import LaminaError
from lamina.fetch.http import fetch
with tempfile.TemporaryFile() as sink:
    try:
        print(fetch(sys.argv[1], sink).digest)
    except LaminaError as error:
        print(error.message, "/", error.hint)
"""


def _fetch_trusting(url: str, certificates: Path | None) -> str:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    if certificates is not None:
        environ["SSL_CERT_FILE"] = str(certificates)
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, url], env=environ, capture_output=True, check=True, text=True
    )
    return done.stdout.strip()


def test_tls_with_a_certificate_that_the_system_trusts(tmp_path: Path) -> None:
    context, certificate = make_certificate(tmp_path)
    with serve(context) as site:
        site.pages["/f"] = b"x"
        assert _fetch_trusting(site.url + "/f", certificate) == sha256(b"x")


def test_tls_with_a_certificate_that_nobody_trusts(tmp_path: Path) -> None:
    context, _ = make_certificate(tmp_path)
    with serve(context) as site:
        said = _fetch_trusting(site.url + "/f", None)
        assert re.search(r"localhost:\d+: certificate not trusted", said)
        assert "SSL_CERT_FILE" in said
        assert site.asked == []


def test_tls_for_another_name(tmp_path: Path) -> None:
    context, certificate = make_certificate(tmp_path)
    with serve(context) as site:
        url = site.url.replace("localhost", "127.0.0.1")
        said = _fetch_trusting(url + "/f", certificate)
        assert re.search(r"127\.0\.0\.1:\d+: certificate not trusted", said)


def test_a_secret_does_not_go_from_tls_into_the_clear() -> None:
    from lamina.fetch.headers import credentials

    assert credentials("https://h/a", "http://h/b", "secret") == ""
    assert credentials("https://h/a", "https://h:444/b", "secret") == ""
    assert credentials("http://h/a", "https://h/b", "secret") == "secret"
    assert credentials("https://h/a", "https://h:443/b", "secret") == "secret"
    assert credentials("http://h:8000/a", "https://h:8443/b", "secret") == ""
    assert credentials("http://h/a", "https://h:8443/b", "secret") == ""


# --- proxies


def test_a_proxy_that_is_given(site: Site, sink: BinaryIO) -> None:
    site.pages["/f"] = b"through the proxy"
    access = Access("Bearer s3cret", {"http_proxy": site.url, "NO_PROXY": "other.test"})
    assert fetch("http://example.test/f", sink, access=access)
    assert content(sink) == b"through the proxy"
    assert site.paths == ["http://example.test/f"]
    with pytest.raises(FetchFailed, match=r"cannot look up a\.other\.test"):
        fetch("http://a.other.test/f", sink, access=access)


def test_a_password_of_a_proxy(site: Site, sink: BinaryIO) -> None:
    site.pages["/f"] = b"x"
    proxy = site.url.replace("://", "://me:pw@")
    fetch("http://example.test/f", sink, access=Access(proxies={"HTTP_PROXY": proxy}))
    assert site.header("Proxy-Authorization") == ["Basic bWU6cHc="]
    assert site.header("Authorization") == [None]


@pytest.mark.parametrize(
    ("url", "no_proxy", "left_out"),
    [
        ("http://a.test/", "a.test", True),
        ("http://b.a.test/", "a.test", True),
        ("http://a.test/", ".a.test", False),
        ("http://b.a.test/", ".a.test", True),
        ("http://b.a.test/", "*.a.test", True),
        ("http://a.test:81/", "a.test:80", False),
        ("http://a.test:81/", "x,a.test:81", True),
        ("http://10.1.2.3/", "10.0.0.0/8", True),
        ("http://11.1.2.3/", "10.0.0.0/8", False),
        ("http://[::1]/", "::1", True),
        ("http://a.test/", "*", True),
        ("http://a.test/", "", False),
    ],
)
def test_no_proxy(url: str, no_proxy: str, left_out: bool) -> None:
    from lamina.fetch.proxies import proxy_for

    found = proxy_for(url, {"ALL_PROXY": "proxy.test:3128", "no_proxy": no_proxy})
    assert found == (None if left_out else "http://proxy.test:3128")


def test_a_proxy_that_is_none(sink: BinaryIO) -> None:
    with pytest.raises(Unsupported, match="socks5"):
        fetch("http://a.test/", sink, access=Access(proxies={"HTTP_PROXY": "socks5://h:1"}))
    with pytest.raises(InvalidInput, match="invalid proxy"):
        fetch("http://a.test/", sink, access=Access(proxies={"HTTP_PROXY": "http://:1"}))


def test_the_environment_of_the_process_does_not_count(
    site: Site, sink: BinaryIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.pages["/f"] = b"x"
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert fetch(site.url + "/f", sink)


# --- stopping


class Stop:
    """Says stop once; kills what is registered."""

    def __init__(self) -> None:
        self.over = False
        self.running: list[Killable] = []

    def check(self) -> None:
        if self.over:
            raise Cancelled("stopped")

    @contextmanager
    def killing(self, process: Killable, /) -> Iterator[None]:
        self.running.append(process)
        yield
        self.running.remove(process)

    def stop(self) -> None:
        self.over = True
        for each in self.running:
            each.kill()


def test_a_transfer_that_hangs_can_be_stopped(site: Site, sink: BinaryIO) -> None:
    sent = threading.Event()
    go_on = threading.Event()

    def slow(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        handler.wfile.write(b"x" * 1000)
        handler.wfile.flush()
        sent.set()
        go_on.wait(20)
        handler.close_connection = True

    site.pages["/f"] = slow
    stop = Stop()

    def stop_soon() -> None:
        sent.wait(20)
        while not stop.running:
            time.sleep(0.01)
        stop.stop()

    thread = threading.Thread(target=stop_soon)
    thread.start()
    start = time.monotonic()
    with pytest.raises(Cancelled):
        fetch(site.url + "/f", sink, stopper=stop)
    assert time.monotonic() - start < 10
    go_on.set()
    thread.join()


def test_the_wait_between_attempts_can_be_stopped(site: Site, sink: BinaryIO) -> None:
    stop = Stop()

    def answer(handler: Handler) -> None:
        handler.reply(503, Retry_After="30")
        stop.over = True

    site.pages["/f"] = answer
    start = time.monotonic()
    with pytest.raises(Cancelled):
        fetch(site.url + "/f", sink, stopper=stop)
    assert time.monotonic() - start < 10


def test_known_by_nothing_asks_for_all(site: Site, sink: BinaryIO) -> None:
    site.pages["/f"] = b"x"
    assert fetch(site.url + "/f", sink, known=Known())
    assert hashlib.sha256(b"x").hexdigest() in Digest(sha256(b"x"))


def test_a_server_that_starts_anew(sink: BinaryIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens for a moment: but somebody did, so it is tried again."""
    first = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{first.getsockname()[1]}/f"
    again: list[Site] = []
    stack = ExitStack()

    def pause(seconds: float, stopper: object) -> None:
        if len(pauses) == 1:
            again.append(stack.enter_context(serve(port=first_port)))
            again[0].pages["/f"] = b"hello"
        pauses.append(seconds)

    first_port, pauses = first.getsockname()[1], list[float]()
    monkeypatch.setattr("lamina.fetch.retrying.pause", pause)

    def busy() -> None:
        line, _ = first.accept()
        first.close()
        line.recv(10_000)
        line.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        line.close()

    threading.Thread(target=busy).start()
    with stack:
        fetch(url, sink)
    assert len(pauses) == 2  # busy, and gone


def test_a_host_that_does_not_answer(sink: BinaryIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing answers, not even that nobody listens: once is enough."""
    monkeypatch.setattr("lamina.fetch.connections._CONNECT", 0.3)
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # they wait to be accepted; those that come later are not even noted
            line = stack.enter_context(socket.socket())
            line.setblocking(False)
            line.connect_ex(full.getsockname())
        begin = time.monotonic()
        port = full.getsockname()[1]
        with pytest.raises(FetchFailed, match=rf"127\.0\.0\.1:{port}: no answer in time"):
            fetch(f"http://127.0.0.1:{port}/f", sink)
        assert time.monotonic() - begin < 1
