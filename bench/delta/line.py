"""A line to a registry: so long there and back, so many bytes a second for all connections together."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.relaying import between, in_background

_CHUNK = 1 << 16
_WINDOW = 64  # chunks under way on one connection


@dataclass
class Line:
    """`rtt` in seconds; `rate` in bytes a second, 0 for the fastest. `received` counts bytes that came."""

    port: int
    rtt: float = 0.0
    rate: float = 0.0
    received: int = 0
    free: float = 0.0  # when the line is free again
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    def due(self, size: int) -> float:
        """When so many bytes that were sent now are there."""
        with self.lock:
            self.received += size
            now = time.monotonic()
            self.free = max(now, self.free) + (size / self.rate if self.rate else 0)
            return self.free + self.rtt


@contextmanager
def line(upstream: int) -> Iterator[Line]:
    """Listens on a port of its own until the block ends."""
    made = Line(0)

    def connect(client: socket.socket, there: socket.socket) -> None:
        for each in (client, there):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        way: queue.Queue[tuple[float, bytes]] = queue.Queue(_WINDOW)
        in_background(_ask, client, there, made.rtt)
        in_background(_take, there, way, made)
        in_background(_give, way, client)

    with between(upstream, connect) as made.port:
        yield made


def _ask(client: socket.socket, there: socket.socket, rtt: float) -> None:
    """Requests: only the first waits, for the connection; the way back has all of the time otherwise."""
    try:
        data = client.recv(_CHUNK)
        time.sleep(rtt)
        while data:
            there.sendall(data)
            data = client.recv(_CHUNK)
        there.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def _take(there: socket.socket, way: queue.Queue[tuple[float, bytes]], made: Line) -> None:
    try:
        while data := there.recv(_CHUNK):
            way.put((made.due(len(data)), data))
    except OSError:
        pass
    way.put((0.0, b""))


def _give(way: queue.Queue[tuple[float, bytes]], client: socket.socket) -> None:
    try:
        while True:
            due, data = way.get()
            if not data:
                client.shutdown(socket.SHUT_WR)
                return
            time.sleep(max(0.0, due - time.monotonic()))
            client.sendall(data)
    except OSError:
        while way.get()[1]:  # whoever puts must not wait for ever
            pass
