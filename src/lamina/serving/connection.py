"""Connection: one client's requests, one after the other. HTTP/1.1 is h11's; bytes and times are ours.

Every wait has an end: for the TLS handshake, the head of a request, the next piece of a body, a client that
does not take what it asked for. What is sent from files goes by sendfile where there is no TLS.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import time
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import h11

from lamina.errors import LaminaError
from lamina.serving.failures import BROKEN, Failure
from lamina.serving.messages import Body, Gone, Request, Response, Span, parse_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    # What was asked, what was answered, and the seconds it took.
    Log = Callable[[Request, Response, float], object]

HANDSHAKE, IDLE, HEAD, PIECE = 10.0, 60.0, 20.0, 60.0  # seconds
_SLOWEST = 100  # bytes a second, over a minute of a body
_LINGER = 2.0  # seconds for what a client still sends after it was refused
_MAX_HEAD = 32 << 10  # bytes
_SIP = 16 << 10  # bytes that are read at once while a head comes
_MAX_DRAIN = 16 << 20
_CHUNK = 256 << 10
_MOST = 8 << 20  # bytes of a file that one call sends
_SLICE = 64 << 10  # bytes that have PIECE seconds to be taken
_SERVER = (("Server", "lamina"), ("X-Content-Type-Options", "nosniff"))


class Connection:
    """Serves one socket until it ends; `run` in a thread of its own, `shut` from any."""

    def __init__(
        self,
        sock: socket.socket,
        peer: str,
        answer: Callable[[Request], Response],
        log: Log,
    ) -> None:
        self._sock = sock
        self._peer = peer
        self._answer = answer
        self._log = log
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
        self._body_done = False
        self._stopping = False
        self.idle_since: float | None = time.monotonic()  # since all is answered; None while something is not
        self._window = (0.0, 0)  # when it began, and the bytes of a body since

    def run(self) -> None:
        """Answers until the client, a limit or `stop` ends it; the socket is closed then. Never raises."""
        try:
            if isinstance(self._sock, ssl.SSLSocket):
                self._sock.settimeout(HANDSHAKE)
                self._sock.do_handshake()
            while self._one():
                pass
        except (OSError, Gone, h11.ProtocolError):  # there is nobody to tell
            pass
        finally:
            self._sock.close()

    def shut(self) -> None:
        """Cuts the connection, whatever it does."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except (OSError, ValueError):
            pass  # it is cut already

    def stop(self) -> None:
        """Lets what was asked be answered, and ends then."""
        self._stopping = True
        if self.idle_since is not None:
            self.shut()

    # --- one request

    def _one(self) -> bool:
        """One request and its answer. Whether another may follow."""
        try:
            head = self._head()
            _check_framing(head)
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint)
            return False
        if head is None:
            return False
        began = time.monotonic()
        request = self._request(head)
        response = self._respond(request)
        try:
            self._send(response, with_content=request.method != "HEAD")
        except LaminaError as error:  # a damaged layer: the client must not take it for whole
            response = response._replace(note=error.message)
            raise Gone from None
        finally:
            if response.close is not None:
                response.close()
            self._log(request, response, time.monotonic() - began)
        return self._finish()

    def _head(self) -> h11.Request | None:
        """The next request; None when the client has no more."""
        self.idle_since = time.monotonic()
        end = self.idle_since + IDLE
        while not self._stopping:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                self.idle_since, self._body_done, self._window = None, False, (time.monotonic(), 0)
                return event
            if event is not h11.NEED_DATA:
                return None
            self._receive(end)
            if self.idle_since is not None:
                self.idle_since, end = None, time.monotonic() + HEAD
        return None

    def _request(self, head: h11.Request) -> Request:
        headers: dict[str, str] = {}
        for raw_name, raw_value in head.headers:
            name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        secure = isinstance(self._sock, ssl.SSLSocket)
        target = head.target.decode("latin-1")
        body = Body(self._piece)
        return Request(head.method.decode("ascii"), target, {}, headers, body, self.shut, secure, self._peer)

    def _respond(self, request: Request) -> Response:
        try:
            path, query = parse_target(request.path)
        except Failure as failure:
            return Response(failure.kind.status, content=failure.body())
        return self._answer(request._replace(path=path, query=query))

    def _refuse(self, status: int) -> None:
        """Tells who does not speak HTTP."""
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            content = Failure(BROKEN, "this is no request of HTTP, or one that is too long").body()
            self._send(Response(status, (("Connection", "close"),), content), with_content=True)
            self._linger()

    # --- what comes

    def _piece(self) -> bytes:
        """The next bytes of the body, b"" at its end. Gone."""
        if self._body_done:
            return b""
        if self._http.they_are_waiting_for_100_continue:
            self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError:  # it ends early, or is not what its head said
                raise Gone from None
            if isinstance(event, h11.Data):
                self._check_speed(len(event.data))
                return bytes(event.data)
            if event is h11.NEED_DATA:
                self._receive(time.monotonic() + PIECE)
                continue
            self._body_done = True
            return b""

    def _receive(self, end: float) -> None:
        """More bytes, before `end` (time.monotonic). Gone."""
        left = end - time.monotonic()
        if left <= 0:
            raise Gone
        try:
            self._sock.settimeout(left)
            in_body = self._http.their_state is h11.SEND_BODY
            data = self._sock.recv(_CHUNK if in_body else _SIP)
        except (OSError, ValueError):
            raise Gone from None
        if not data and in_body:
            raise Gone
        self._http.receive_data(data)

    def _check_speed(self, count: int) -> None:
        began, size = self._window
        now = time.monotonic()
        if now - began < PIECE:
            self._window = began, size + count
            return
        if size + count < PIECE * _SLOWEST:
            raise Gone
        self._window = now, 0

    # --- what goes

    def _send(self, response: Response, *, with_content: bool) -> None:
        headers = [("Date", formatdate(usegmt=True)), *_SERVER, *response.headers]
        if response.status != 204:
            headers.append(("Content-Length", str(response.size)))
        if self._stopping and not any(name == "Connection" for name, _ in headers):
            headers.append(("Connection", "close"))
        reason = HTTPStatus(response.status).phrase
        begin = self._http.send(h11.Response(status_code=response.status, headers=headers, reason=reason))
        assert begin is not None
        content = response.content if with_content and response.status != 204 else b""
        if isinstance(content, bytes):
            if content:
                begin += self._http.send(h11.Data(data=content)) or b""
            self._write(begin)
        else:
            self._write(begin)
            if isinstance(content, Span):
                self._send_file(content)
            else:
                self._send_pieces(content)
        self._write(self._http.send(h11.EndOfMessage()))

    def _write(self, data: bytes | None) -> None:
        if data:
            self._sock.settimeout(PIECE)  # for all that one call sends
            view = memoryview(data)
            for start in range(0, len(view), _SLICE):
                self._sock.sendall(view[start : start + _SLICE])

    def _send_pieces(self, pieces: Iterator[bytes]) -> None:
        for piece in pieces:
            self._write(self._http.send(h11.Data(data=piece)))

    def _send_file(self, span: Span) -> None:
        """A file's bytes; Gone when there are fewer than was said."""
        self._http.send_with_data_passthrough(h11.Data(data=cast(bytes, _Long(span.length))))
        self._window = (time.monotonic(), 0)
        start, end = span.start, span.start + span.length
        send = self._send_read if isinstance(self._sock, ssl.SSLSocket) else self._send_directly
        while start < end:
            count = send(span.file.fileno(), start, end - start)
            if not count:
                raise Gone
            self._check_speed(count)
            start += count

    def _send_directly(self, file: int, start: int, length: int) -> int:
        """Some bytes of a file; how many."""
        self._sock.settimeout(PIECE)
        while True:
            try:
                return os.sendfile(self._sock.fileno(), file, start, min(_MOST, length))
            except BlockingIOError:
                poll = select.poll()
                poll.register(self._sock, select.POLLOUT)
                if not poll.poll(PIECE * 1000):
                    raise Gone from None

    def _send_read(self, file: int, start: int, length: int) -> int:
        """The same where bytes must be encrypted."""
        data = os.pread(file, min(_CHUNK, length), start)
        self._write(data)
        return len(data)

    # --- afterwards

    def _finish(self) -> bool:
        """Reads what is left of the body, if that is little. Whether another request may follow."""
        http = self._http
        if http.their_state is h11.SEND_BODY and not http.they_are_waiting_for_100_continue:
            self._drain()
        if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
            self._linger()
            return False
        http.start_next_cycle()
        return True

    def _drain(self) -> None:
        size = 0
        while size < _MAX_DRAIN and (piece := self._piece()):
            size += len(piece)

    def _linger(self) -> None:
        """Ends what we send, and lets the client read it: if it still sends, it could lose our answer."""
        try:
            self._sock.shutdown(socket.SHUT_WR)
            end, size = time.monotonic() + _LINGER, 0
            while (left := end - time.monotonic()) > 0 and size < _MAX_DRAIN:
                self._sock.settimeout(left)
                data = self._sock.recv(_CHUNK)
                if not data:
                    return
                size += len(data)
        except (OSError, ValueError):
            pass


def _check_framing(head: h11.Request | None) -> None:
    """RemoteProtocolError when a body's length is told twice: a proxy may read it otherwise than we."""
    names = {name for name, _ in head.headers} if head is not None else set()
    if {b"content-length", b"transfer-encoding"} <= names:
        raise h11.RemoteProtocolError("Content-Length and Transfer-Encoding")


class _Long:
    """Stands for so many bytes in h11's count of what was sent."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length
