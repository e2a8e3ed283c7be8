"""Connections of urllib3 that say who uses them, so that another thread can cut a question off at any point.

This module loads urllib3: 60 ms, and TLS. Import it only where something is fetched.
"""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from lamina.fetch.stopping import Killable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


class Call(Killable):
    """One question under way: while it is sent, while it waits, and while its answer comes."""

    def __init__(self, patience: float) -> None:
        """`patience`: seconds in which all headers of the answer must come."""
        self._line: socket.socket | None = None
        self._killed = False
        self._patience = patience
        self.expired = False

    def on(self, line: socket.socket) -> None:
        """It goes over this line. OSError when it is over."""
        self._line = line
        if self._killed:
            raise ConnectionAbortedError("stopped")

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """While the headers of the answer come; a server may send one letter now and then, for ever."""
        timer = threading.Timer(self._patience, self._expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _expire(self) -> None:
        self.expired = True
        self.kill()

    def kill(self) -> None:
        """Makes whoever sends or waits wake up."""
        self._killed = True
        line = self._line
        if line is not None:
            try:
                socket.socket.shutdown(line, socket.SHUT_RDWR)  # that of SSLSocket is for one thread
            except OSError:
                pass


class _Current(threading.local):
    call: Call | None = None


current = _Current()  # whose question this thread is putting


class _Plain(HTTPConnection):
    def request(self, *args: Any, **options: Any) -> None:
        _note(self)
        super().request(*args, **options)

    def getresponse(self) -> Any:
        with _awaited():
            return super().getresponse()


class _Secure(_Plain, HTTPSConnection):
    """The same over TLS."""


def _awaited() -> AbstractContextManager[None]:
    return current.call.awaited() if current.call is not None else nullcontext()


def _note(connection: HTTPConnection) -> None:
    if connection.sock is None:
        connection.connect()
    if current.call is not None:
        current.call.on(connection.sock)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


POOLS = {"http": _PlainPool, "https": _SecurePool}
