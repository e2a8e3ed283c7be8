"""Exchange: one request over HTTP, with its redirects and with as many attempts as make sense.

What goes to one host as a secret, or as a body, goes to no other. Connections are kept for the next request
by whoever makes several (`Connections`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar

from lamina.dockerfile.remotes import host_of, is_http, redacted
from lamina.errors import Corrupt, Denied, InvalidInput, LaminaError
from lamina.fetch.connections import Connections
from lamina.fetch.failures import FetchFailed, Retry, of_exception, of_status
from lamina.fetch.headers import RETRIED, credentials, error_text, is_same_server, retry_after
from lamina.fetch.retrying import ATTEMPTS, retrying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from urllib3 import BaseHTTPResponse

    from lamina.fetch.stopping import Stopper

_MOST_REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_AGENT = "lamina"
_PIECE = 1 << 16  # bytes of a body that are sent at once
_DRAINED = 1 << 16  # bytes of an answer nobody wants that are read, so that its connection can be kept
_DRAINING = 1.0  # seconds for that

Result = TypeVar("Result")


class Access(NamedTuple):
    """How a host is reached: the value of the header Authorization ("" for none), and proxy variables.

    `challenged` is asked once in each attempt when the host answers 401: it is given its WWW-Authenticate and
    the value that was not enough, and returns the one to try with, "" for none.
    """

    authorization: str = ""
    proxies: Mapping[str, str] = {}
    challenged: Callable[[str, str], str] | None = None
    stays: bool = False  # no redirect may lead from TLS into the clear: what comes is not proven otherwise


class Body(NamedTuple):
    """What is sent in pieces: `open` begins it anew for each attempt. `sent` is told bytes so far."""

    open: Callable[[], BinaryIO]
    size: int
    sent: Callable[[int], object] = lambda done: None


class Request(NamedTuple):
    """What is asked. Messages say "cannot VERB SHOWN: ..."; `shown` is the URL if it is ""."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = {}
    body: bytes | Body | None = None
    shown: str = ""
    attempts: int = ATTEMPTS
    verb: str = "fetch"
    follow: bool = True  # else a redirect to another server is the answer
    patience: float = 0.0  # seconds that the answer may take longer than others
    hint: str = ""  # what to do where it is denied, or not there; "" for that of ADD and contexts


class Line:
    """The connection of an answer, to be cut by another thread."""

    def __init__(self, answer: BaseHTTPResponse) -> None:
        self._answer = answer

    def kill(self) -> None:
        """Makes whoever reads from it wake up."""
        import socket

        connection: Any = self._answer.connection
        line = getattr(connection, "sock", None)
        if line is not None:
            try:
                socket.socket.shutdown(line, socket.SHUT_RDWR)
            except OSError:
                pass


class Exchange:
    """One request on its way. `more` adds headers to each attempt."""

    def __init__(
        self,
        request: Request,
        access: Access,
        stopper: Stopper,
        connections: Connections | None = None,
        more: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """InvalidInput when the URL is none."""
        if not is_http(request.url) or not host_of(request.url):
            raise InvalidInput(f"invalid URL {redacted(request.url)}", hint="it is written https://HOST/PATH")
        self.doing = f"{request.verb} {request.shown or redacted(request.url)}"
        self.has_body = request.method != "HEAD"
        self._request = request
        self._authorization = access.authorization
        self._challenged = access.challenged
        self._has_answered = False
        self._stopper = stopper
        self._connections = connections
        self._proxies = access.proxies
        self._stays = access.stays
        self._more = more
        self.reached = request.url  # where the last redirect led

    def run(self, take: Callable[[BaseHTTPResponse, str], Result]) -> Result:
        """What `take` makes of the answer, which it is given with the host; it may raise Retry."""
        own = None if self._connections else Connections(self._proxies)
        connections = self._connections or own
        assert connections is not None
        try:
            return retrying(
                lambda: self.once(connections, take), self._stopper, attempts=self._request.attempts
            )
        finally:
            if own is not None:
                own.close()

    def begin(self, connections: Connections) -> BaseHTTPResponse:
        """One attempt; an answer of success, whose body the caller reads, and closes. Retry."""

        def check(answer: BaseHTTPResponse, host: str) -> BaseHTTPResponse:
            if not 200 <= answer.status < 300:
                raise self.failed(answer, host)
            return answer

        return self.once(connections, check, close=False)

    def once(
        self,
        connections: Connections,
        take: Callable[[BaseHTTPResponse, str], Result],
        *,
        close: bool = True,
    ) -> Result:
        """One attempt: follows redirects to an answer, and takes it. Retry for what may pass."""
        url, left = self._request.url, _MOST_REDIRECTS
        self._has_answered = False
        while True:
            host = shown_host(url)
            answer = self._open(connections, url, host)
            done = False
            try:
                self._check_whole(answer, host)
                target = self._target(answer, url)
                if answer.status == 401 and self._answers(answer, url):
                    continue
                if target is None:
                    result = take(answer, host)
                    done = not close
                    return result
            finally:
                if not done:
                    dispose(answer)
            left -= 1
            if left < 0:
                raise FetchFailed(f"cannot {self.doing}: more than {_MOST_REDIRECTS} redirects")
            url = self.reached = self._next(url, target)

    def _open(self, connections: Connections, url: str, host: str) -> BaseHTTPResponse:
        import urllib3  # 60 ms, and TLS: only for what is fetched

        request, watch = self._request, self._stopper.killing
        body = self._pieces(request.body) if isinstance(request.body, Body) else request.body
        try:
            headers = self._headers(url)
            return connections.open(request.method, url, headers, body, request.patience, watch)
        except (urllib3.exceptions.HTTPError, OSError, UnicodeError) as error:
            self._stopper.check()  # it was us who broke it
            failed, again = of_exception(error, self.doing, host)
            if _is_of_connecting(
                error
            ):  # a host that was there may be starting anew; another one is not there
                again = connections.has_answered(url)
            raise (Retry(failed) if again else failed) from None

    def _check_whole(self, answer: BaseHTTPResponse, host: str) -> None:
        """Retry for a head that broke off: one that is whole says how its body ends (RFC 9112, 6.3)."""
        says = {"Content-Length", "Transfer-Encoding", "Connection"}
        whole = answer.version < 11 or answer.status in (204, 304) or not says.isdisjoint(answer.headers)
        if self.has_body and not whole:
            raise Retry(FetchFailed(f"cannot {self.doing}: {host}: the connection broke in a head"))

    def _pieces(self, body: Body) -> Iterator[bytes]:
        """The body as it is sent. Corrupt when it is shorter or longer, before the last of it is gone."""
        done = 0
        with body.open() as stream:
            while done < body.size:
                self._stopper.check()
                data = self._read(stream, min(_PIECE, body.size - done))
                if not data:
                    raise Corrupt(f"cannot {self.doing}: it ends after {done} bytes of {body.size}")
                # A stream that is checked as it is read says so at its end.
                if done + len(data) == body.size and self._read(stream, 1):
                    raise Corrupt(f"cannot {self.doing}: it has more than {body.size} bytes")
                yield data
                done += len(data)
                body.sent(done)

    def _read(self, stream: BinaryIO, size: int) -> bytes:
        try:
            return stream.read(size)
        except OSError as error:  # which would pass for one of the connection
            raise Denied(f"cannot {self.doing}: reading it failed: {error_text(error)}") from None

    def _answers(self, answer: BaseHTTPResponse, url: str) -> bool:
        """Whether there is something to answer to a challenge of whom we asked; only once in an attempt."""
        if self._challenged is None or self._has_answered or url != self._request.url:
            return False
        self._has_answered = True
        challenge = ", ".join(answer.headers.getlist("WWW-Authenticate"))
        self._authorization = self._challenged(challenge, self._authorization)
        return bool(self._authorization)

    def _target(self, answer: BaseHTTPResponse, url: str) -> str | None:
        """Where a redirect leads that is to be followed."""
        target = answer.headers.get("Location") if answer.status in _REDIRECTS else None
        if target is None or self._request.follow:
            return target
        return target if is_same_server(url, self._next(url, target)) else None

    def _next(self, url: str, target: str) -> str:
        from urllib.parse import urljoin

        try:
            found = urljoin(url, target)
        except ValueError:
            found = ""
        if not is_http(found) or not host_of(found):
            raise FetchFailed(f"cannot {self.doing}: {shown_host(url)} redirects to {target[:200]!r}")
        if self._stays and url.startswith("https:") and not found.startswith("https:"):
            raise FetchFailed(f"cannot {self.doing}: {shown_host(url)} redirects from TLS into the clear")
        if self._request.body is not None and not is_same_server(self._request.url, found):
            what = f"{shown_host(url)} redirects what we sent to {shown_host(found)}"
            raise FetchFailed(f"cannot {self.doing}: {what}, which it was not meant for")
        return found

    def _headers(self, url: str) -> dict[str, str]:
        """What is asked. Secrets go to the host of the first URL only, and never from TLS into the clear."""
        headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity", "Accept": "*/*"}
        if isinstance(self._request.body, Body):
            headers["Content-Length"] = str(self._request.body.size)
        headers |= self._request.headers
        headers |= self._more()
        secret = credentials(self._request.url, url, self._authorization)
        if secret:
            headers["Authorization"] = secret
        return headers

    def failed(self, answer: BaseHTTPResponse, host: str) -> LaminaError | Retry:
        """What to raise for an answer that is none of success."""
        error = of_status(answer.status, answer.reason or "", self.doing, host)
        error.hint = self._request.hint or error.hint
        if answer.status in RETRIED:
            return Retry(error, retry_after(answer.headers.get("Retry-After", "")))
        return error

    def broken(self, error: Exception, host: str) -> LaminaError | Retry:
        """What to raise when there was no answer, or only a part."""
        failed, again = of_exception(error, self.doing, host)
        return Retry(failed) if again else failed


def shown_host(url: str) -> str:
    """host[:port] of a URL, for messages."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0].rpartition("@")[2]


def dispose(answer: BaseHTTPResponse) -> None:
    """Ends an answer. What little may be left of it is read, so that the connection can be used again."""
    import urllib3  # loaded already

    length = answer.headers.get("Content-Length", "")
    short = length.isascii() and length.isdigit() and len(length) < 8 and int(length) <= _DRAINED
    line: Any = getattr(answer.connection, "sock", None)
    try:
        if line is not None and (short or "Transfer-Encoding" in answer.headers):
            line.settimeout(_DRAINING)
            answer.read(_DRAINED)
    except (urllib3.exceptions.HTTPError, OSError):
        pass
    answer.close()


def _is_of_connecting(error: Exception) -> bool:
    """Whether nobody was reached: refused, or no answer (a system asks several times in that time)."""
    import urllib3

    from lamina.fetch.failures import causes

    kinds = (ConnectionRefusedError, urllib3.exceptions.ConnectTimeoutError)
    return any(isinstance(cause, kinds) for cause in causes(error))
