"""Server: takes connections, each served by a thread of a pool; ends when it is told to, in good order."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from typing import TYPE_CHECKING

from lamina.errors import Conflict, Denied, InvalidInput, NotFound
from lamina.serving.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.serving.connection import Log
    from lamina.serving.messages import Request, Response

CONNECTIONS = 128  # at once; more wait until one ends
GRACE = 10.0  # seconds for what is under way when the server ends
_STEP = 0.2
_JUST = 0.5


class Server:
    """Listens from when it is made; `serve` answers until it is told to end."""

    def __init__(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        answer: Callable[[Request], Response],
        log: Log,
        until: int | None = None,
    ) -> None:
        """`until` is a descriptor: when it can be read, the server ends.

        Conflict when something else listens there; Denied; InvalidInput for an address that is none.
        """
        self._tls = tls
        self._until = until
        self._answer = answer
        self._log = log
        self._listener = _listen(host, port)
        self._lock = threading.Lock()
        self._connections: set[Connection] = set()
        self._stopped = False

    @property
    def address(self) -> str:
        """Where it is to be found: http://127.0.0.1:5000"""
        host, port = self._listener.getsockname()[:2]
        return f"{'https' if self._tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"

    def serve(self, ending: Callable[[], object]) -> None:
        """Answers until the end; then what was asked is answered for some seconds more, and the rest is cut.

        `ending` is called before that: it ends what may take long.
        """
        pool = ThreadPoolExecutor(CONNECTIONS, "serve")
        try:
            while not self._stopped:
                self._accept(pool)
        finally:
            self._listener.close()
            self._end(ending)
            pool.shutdown(wait=not self._left(0))

    def _accept(self, pool: ThreadPoolExecutor) -> None:
        with self._lock:
            full = len(self._connections) >= CONNECTIONS
            if full:
                self._shut_idle()
        if not self._is_called(_STEP if full else None):
            return
        try:
            sock, address = self._listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if self._tls is not None:  # the handshake is the thread's
                sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        except OSError as error:  # the client is gone already; or there are no descriptors left
            if error.errno in (errno.EMFILE, errno.ENFILE):
                time.sleep(_STEP)
            return
        connection = Connection(sock, str(address[0]), self._answer, self._log)
        with self._lock:
            self._connections.add(connection)
        pool.submit(self._run, connection)

    def _is_called(self, seconds: float | None) -> bool:
        """Waits until a client comes (then True), it is over, or this time is."""
        with selectors.DefaultSelector() as selector:
            if self._until is not None:
                selector.register(self._until, selectors.EVENT_READ)
            if seconds is None:
                selector.register(self._listener, selectors.EVENT_READ)
            ready = [key.fileobj for key, _ in selector.select(seconds)]
        self._stopped = self._until in ready
        return self._listener in ready and not self._stopped

    def _run(self, connection: Connection) -> None:
        try:
            connection.run()
        finally:
            with self._lock:
                self._connections.discard(connection)

    def _shut_idle(self) -> None:
        """Makes room: who asks nothing for the longest time can come again. The lock is held."""
        now = time.monotonic()
        idle = [(each.idle_since or now, each) for each in self._connections]
        since, connection = min(idle, key=itemgetter(0))
        if now - since > _JUST:  # else it may have something to ask at this moment
            connection.shut()

    def _end(self, ending: Callable[[], object]) -> None:
        if self._left(GRACE):
            ending()
            for connection in self._left(0):
                connection.shut()
            self._left(GRACE)

    def _left(self, seconds: float) -> list[Connection]:
        """The connections that are there after so long; they are told to end."""
        end = time.monotonic() + seconds
        while True:
            with self._lock:
                left = list(self._connections)
            for connection in left:
                connection.stop()
            if not left or time.monotonic() >= end:
                return left
            time.sleep(_STEP / 10)


def tls_context(certificate: str, key: str) -> ssl.SSLContext:
    """TLS with this certificate and what it stands on, and its key. NotFound, Denied, InvalidInput."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        for path in (certificate, key):
            with open(path, "rb"):
                pass
        context.load_cert_chain(certificate, key, _no_password)
    except ssl.SSLError as error:
        raise InvalidInput(
            f"{certificate}, {key}: no certificate with its key: {error.reason or error}",
            hint="both are PEM files; the certificate comes first in its file, then those that it stands on",
        ) from None
    except FileNotFoundError as error:
        raise NotFound(f"{error.filename}: no such file") from None
    except OSError as error:
        raise Denied(f"{error.filename or certificate}: {(error.strerror or str(error)).lower()}") from None
    return context


def _no_password() -> str:
    raise InvalidInput("the key of the certificate is locked by a password", hint="give one without")


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError, OverflowError) as error:
        raise InvalidInput(f"{host!r} is no address to listen on: {error}") from None
    wanted = socket.AF_INET if host else socket.AF_INET6  # without a host, both at once
    family, _, _, _, address = next((each for each in found if each[0] == wanted), found[0])
    try:
        dual = family == socket.AF_INET6 and not host and socket.has_dualstack_ipv6()
        return socket.create_server(address, family=family, backlog=CONNECTIONS, dualstack_ipv6=dual)
    except OSError as error:
        where = f"{host}:{port}"
        if error.errno == errno.EADDRINUSE:
            raise Conflict(
                f"{where} is in use by another program", hint="choose another port with --listen HOST:PORT"
            ) from None
        if error.errno in (errno.EACCES, errno.EPERM):
            raise Denied(f"may not listen on {where}", hint="ports below 1024 are root's") from None
        raise InvalidInput(f"cannot listen on {where}: {_reason(error)}") from None


def _reason(error: OSError) -> str:
    """In a few words: socket.create_server adds the address, which we have said."""
    return (os.strerror(error.errno) if error.errno else str(error)).lower()
