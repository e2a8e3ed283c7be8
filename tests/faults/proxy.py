"""A proxy between us and a real registry that spoils one phase of a transfer, once or always."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

LATE = 0.2  # seconds that a late answer takes
PATIENCE = 0.4  # seconds of silence that tests have the client bear
_NOWHERE = "http://127.0.0.1:1/gone"
_HTML = b"<html><body>It works!</body></html>"


class Phase(NamedTuple):
    """A kind of request: `path` is a regular expression, matched from the beginning."""

    name: str
    method: str
    path: str

    def fits(self, method: str, path: str) -> bool:
        return method == self.method and re.match(self.path, path) is not None


class Reply(NamedTuple):
    """What the registry answered."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes

    def raw(self, body: bytes | None = None, **headers: str) -> bytes:
        """As bytes; with another body its length is said right; names of headers with _ for -."""
        body = self.body if body is None else body
        changed = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        kept = [
            (name, value)
            for name, value in self.headers
            if name.lower() not in {"content-length", "transfer-encoding", "connection", *changed}
        ]
        length = next((value for name, value in self.headers if name.lower() == "content-length"), "0")
        lines = [f"HTTP/1.1 {self.status} {self.reason}", *(f"{name}: {value}" for name, value in kept)]
        lines += [f"{name}: {value}" for name, value in changed.items()]
        if "content-length" not in changed and self.status != 204:
            lines.append(f"Content-Length: {len(body) if body else length}")
        return "\r\n".join([*lines, "", ""]).encode() + body


def made(status: int, body: bytes = b"", **headers: str) -> Reply:
    """An answer of our own."""
    rows = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Reply(status, http.client.responses[status], [*rows, ("Content-Length", str(len(body)))], body)


class Spoiled(BaseHTTPRequestHandler):
    """One connection. A fault is given this, and does what it likes with the request."""

    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def handle_any(self) -> None:
        self.sent = self._body()
        with self.proxy.lock:
            self.proxy.asked.append((self.command, self.path))
            fault = self.proxy.fault_for(self.command, self.path)
        try:
            if fault is None:
                self.answer(self.forward().raw())
            else:
                fault(self)
        except OSError:
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            found = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return found
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def forward(self, body: bytes | None = None) -> Reply:
        """Asks the registry, with another body if one is given."""
        upstream = http.client.HTTPConnection("127.0.0.1", self.proxy.upstream, timeout=20)
        dropped = {"content-length", "transfer-encoding", "connection"}
        headers = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
        try:
            upstream.request(self.command, self.path, self.sent if body is None else body, headers)
            answer = upstream.getresponse()
            return Reply(answer.status, answer.reason, answer.getheaders(), answer.read())
        finally:
            upstream.close()

    def answer(self, data: bytes, *, hang_up: bool = False) -> None:
        self.wfile.write(data)
        self.wfile.flush()
        if hang_up:
            self.hang_up()

    def hang_up(self) -> None:
        self.close_connection = True

    def stall(self) -> None:
        """Silence, until the client has gone."""
        self.proxy.over.wait(PATIENCE * 5)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


Fault = Callable[[Spoiled], None]


@dataclass
class Proxy:
    """One that listens on `port`, before the registry on `upstream`."""

    upstream: int
    port: int = 0
    phase: Phase | None = None
    fault: Fault | None = None
    lasting: bool = False
    hits: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    def spoil(self, phase: Phase, fault: Fault, *, lasting: bool) -> None:
        """From now on the first request of this phase, or each, meets the fault."""
        self.phase, self.fault, self.lasting, self.hits = phase, fault, lasting, 0

    def mend(self) -> None:
        self.phase = self.fault = None

    def fault_for(self, method: str, path: str) -> Fault | None:
        if self.phase is None or not self.phase.fits(method, path) or (self.hits and not self.lasting):
            return None
        self.hits += 1
        return self.fault


@contextmanager
def before(upstream: int) -> Iterator[Proxy]:
    """A proxy of its own, until the block ends."""
    proxy = Proxy(upstream)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OwnSpoiled", (Spoiled,), {"proxy": proxy}))
    server.daemon_threads = True
    proxy.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


# --- faults: where the connection breaks


def cut_at_once(it: Spoiled) -> None:
    it.hang_up()


def cut_when_done(it: Spoiled) -> None:
    """The registry has done it, and nobody says so."""
    it.forward()
    it.hang_up()


def cut_in_head(it: Spoiled) -> None:
    it.answer(it.forward().raw()[:25], hang_up=True)


def cut_in_body(it: Spoiled) -> None:
    data = it.forward().raw()
    head = data.index(b"\r\n\r\n") + 4
    it.answer(data[: head + (len(data) - head) // 2], hang_up=True)


def reset(it: Spoiled) -> None:
    """The other side's system says that there is no such connection."""
    it.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    it.connection.close()
    it.hang_up()


# --- faults: time


def late(it: Spoiled) -> None:
    time.sleep(LATE)
    it.answer(it.forward().raw())


def stall(it: Spoiled) -> None:
    it.stall()


def stall_in_body(it: Spoiled) -> None:
    data = it.forward().raw()
    it.answer(data[: data.index(b"\r\n\r\n") + 4 + 10])
    it.stall()


def drip(it: Spoiled) -> None:
    """Everything, in small pieces."""
    data = it.forward().raw()
    for at in range(0, len(data), max(len(data) // 7, 1)):
        it.answer(data[at : at + max(len(data) // 7, 1)])
        time.sleep(0.02)


# --- faults: bytes


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :] if data else b""


def flip(it: Spoiled) -> None:
    """One bit of what comes is another one."""
    found = it.forward()
    it.answer(found.raw(flipped(found.body)))


def flip_sent(it: Spoiled) -> None:
    """One bit of what goes is another one."""
    it.answer(it.forward(flipped(it.sent)).raw())


def drop_sent(it: Spoiled) -> None:
    """Only half of what goes arrives."""
    it.answer(it.forward(it.sent[: len(it.sent) // 2]).raw())


def short(it: Spoiled) -> None:
    found = it.forward()
    it.answer(found.raw(found.body[: len(found.body) // 2]))


def long(it: Spoiled) -> None:
    found = it.forward()
    it.answer(found.raw(found.body + b"more"))


def empty(it: Spoiled) -> None:
    found = it.forward()
    it.answer(found.raw(b"", Content_Length="0"))


def endless(it: Spoiled) -> None:
    """A body without an end, as far as the client cares to read."""
    found = it.forward()
    it.answer(found.raw(b"", Content_Length=str(1 << 40)))
    block = bytes(1 << 16)
    for _ in range(2000):
        it.answer(block)


# --- faults: again


def twice(it: Spoiled) -> None:
    """The request reaches the registry two times."""
    it.forward()
    it.answer(it.forward().raw())


def answered_twice(it: Spoiled) -> None:
    data = it.forward().raw()
    it.answer(data + data)


# --- faults: words


def status(number: int, body: bytes = b"", **headers: str) -> Fault:
    """An answer that the registry never gave."""
    return lambda it: it.answer(made(number, body if it.command != "HEAD" else b"", **headers).raw())


def html(it: Spoiled) -> None:
    it.answer(made(200, b"" if it.command == "HEAD" else _HTML, Content_Type="text/html").raw())


def garbage(it: Spoiled) -> None:
    it.answer(b"220 mail.example ESMTP\r\n", hang_up=True)


def loop(it: Spoiled) -> None:
    it.answer(made(307, Location=it.path).raw())


def wrong_type(it: Spoiled) -> None:
    it.answer(it.forward().raw(Content_Type="text/html"))


def wrong_digest(it: Spoiled) -> None:
    it.answer(it.forward().raw(Docker_Content_Digest="sha256:" + "0" * 64))


def wrong_location(it: Spoiled) -> None:
    it.answer(it.forward().raw(Location="ftp://nowhere/"))


def wrong_range(it: Spoiled) -> None:
    it.answer(it.forward().raw(Range="0-99999999", Content_Range="bytes 5-9/3"))


_LATER: Mapping[str, str] = {"Retry_After": "0"}

FAULTS: dict[str, Fault] = {
    "cut at once": cut_at_once,
    "cut when done": cut_when_done,
    "cut in the head": cut_in_head,
    "cut in the body": cut_in_body,
    "reset": reset,
    "late": late,
    "stall": stall,
    "stall in the body": stall_in_body,
    "drip": drip,
    "flip": flip,
    "flip sent": flip_sent,
    "drop sent": drop_sent,
    "short": short,
    "long": long,
    "empty": empty,
    "endless": endless,
    "twice": twice,
    "answered twice": answered_twice,
    "500": status(500),
    "502 in HTML": status(502, _HTML, Content_Type="text/html"),
    "503 and when": status(503, **_LATER),
    "429 and when": status(429, **_LATER),
    "408": status(408),
    "400": status(400, b'{"errors": [{"code": "UNKNOWN", "message": "no"}]}'),
    "401": status(401),
    "403": status(403, b'{"errors": [{"code": "DENIED", "message": "not you"}]}'),
    "404": status(404),
    "405": status(405),
    "413": status(413, _HTML, Content_Type="text/html"),
    "416": status(416),
    "204": status(204),
    "HTML": html,
    "garbage": garbage,
    "elsewhere": status(307, Location=_NOWHERE),
    "loop": loop,
    "wrong type": wrong_type,
    "wrong digest": wrong_digest,
    "wrong location": wrong_location,
    "wrong range": wrong_range,
}
