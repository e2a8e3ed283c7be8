"""Connections of urllib3 that say who uses them, so that another thread can cut a question off at any point.

This module loads urllib3: 60 ms, and TLS. Import it only where something is fetched.
"""

from __future__ import annotations

import socket
import threading
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from lamina.fetch.stopping import Killable


class Call(Killable):
    """One question under way: while it is sent, while it waits, and while its answer comes."""

    def __init__(self) -> None:
        self._line: socket.socket | None = None
        self._killed = False

    def on(self, line: socket.socket) -> None:
        """It goes over this line. OSError when it is over."""
        self._line = line
        if self._killed:
            raise ConnectionAbortedError("stopped")

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


class _Secure(HTTPSConnection):
    def request(self, *args: Any, **options: Any) -> None:
        _note(self)
        super().request(*args, **options)


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
