"""What was asked of a registry, and how many bytes of bodies moved: a relay before it that writes it down.

It passes everything on as it comes, so that what moves is what the registry sees.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_CHUNK = 1 << 16


@dataclass
class Row:
    """One request: `up` and `down` are bytes of the bodies, counted as they pass; status 0: it broke."""

    method: str
    path: str
    status: int = 0
    up: int = 0
    down: int = 0


@dataclass
class Requests:
    """The rows so far, in the order in which they began; `connections` counts those that clients opened."""

    rows: list[Row] = field(default_factory=list)
    connections: int = 0

    @property
    def up(self) -> int:
        """Bytes that were sent to the registry."""
        return sum(row.up for row in self.rows)

    @property
    def down(self) -> int:
        """Bytes that it sent."""
        return sum(row.down for row in self.rows)

    def of(self, method: str, part: str = "") -> list[Row]:
        """The requests of one method whose path has this part."""
        return [row for row in self.rows if row.method == method and part in row.path]

    def clear(self) -> None:
        """From now on."""
        self.rows.clear()
        self.connections = 0


class _Relay(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    requests: Requests
    upstream: int

    def setup(self) -> None:
        super().setup()
        self.requests.connections += 1

    def relay(self) -> None:
        self.row = Row(self.command, self.path)
        self.requests.rows.append(self.row)
        upstream = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=60)
        try:
            self._relay(upstream)
        except OSError:
            self.close_connection = True
        finally:
            upstream.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = relay

    def _relay(self, upstream: http.client.HTTPConnection) -> None:
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("connection", "expect"):
                upstream.putheader(name, value)
        upstream.endheaders()
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            self._send_chunks(upstream)
        else:
            left = int(self.headers.get("Content-Length", 0))
            while left and (data := self.rfile.read1(min(left, _CHUNK))):  # type: ignore[attr-defined]
                left -= len(data)
                self.row.up += len(data)
                upstream.send(data)
        answer = upstream.getresponse()
        self.row.status = answer.status
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() != "connection":
                self.send_header(name, value)
        self.end_headers()
        chunked = answer.chunked  # type: ignore[attr-defined]
        while data := answer.read1(_CHUNK):
            self.row.down += len(data)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _send_chunks(self, upstream: http.client.HTTPConnection) -> None:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            data = self.rfile.read(size)
            self.rfile.readline()
            self.row.up += size
            upstream.send(b"%x\r\n%b\r\n" % (size, data))
        self.rfile.readline()
        upstream.send(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@contextmanager
def counting(upstream: int) -> Iterator[tuple[int, Requests]]:
    """A relay to the registry at port `upstream` (without TLS): its port, and what goes over it."""
    requests = Requests()
    handler = type("Relay", (_Relay,), {"requests": requests, "upstream": upstream})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_port, requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
