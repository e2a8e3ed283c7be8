"""What stands between a client and a registry on a port of its own: the part that all such things share."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Connect = Callable[[socket.socket, socket.socket], None]


@contextmanager
def between(upstream: int, connect: Connect) -> Iterator[int]:
    """The port, until the block ends; `connect` is given both ends of every connection."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        threading.Thread(target=_accept, args=(server, upstream, connect), daemon=True).start()
        yield server.getsockname()[1]


def _accept(server: socket.socket, upstream: int, connect: Connect) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        there = socket.create_connection(("127.0.0.1", upstream))
        connect(client, there)


def in_background(target: Callable[..., None], *args: object) -> None:
    """Runs it in a thread that nobody waits for."""
    threading.Thread(target=target, args=args, daemon=True).start()
