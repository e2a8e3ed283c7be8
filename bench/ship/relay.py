"""A relay before the registry that counts the bytes which go through it, the same for every contestant."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.relaying import between, in_background

_CHUNK = 1 << 20


@dataclass
class Relay:
    """Bytes to the registry (`sent`) and from it (`received`) since `reset`."""

    port: int
    sent: int = 0
    received: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    def reset(self) -> None:
        with self.lock:
            self.sent = self.received = 0

    def add(self, sent: int, received: int) -> None:
        with self.lock:
            self.sent += sent
            self.received += received


@contextmanager
def relay(upstream: int) -> Iterator[Relay]:
    """Listens on a port of its own until the block ends."""
    made = Relay(0)

    def connect(client: socket.socket, there: socket.socket) -> None:
        in_background(_pump, client, there, lambda n: made.add(n, 0))
        in_background(_pump, there, client, lambda n: made.add(0, n))

    with between(upstream, connect) as made.port:
        yield made


def _pump(source: socket.socket, sink: socket.socket, count: object) -> None:
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    try:
        while size := source.recv_into(buffer):
            count(size)  # type: ignore[operator]
            sink.sendall(view[:size])
    except OSError:
        pass
    try:
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
