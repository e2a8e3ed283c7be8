"""Exchange: one request over HTTP, with its redirects and with as many attempts as make sense.

What goes to one host as a secret, or as a body, goes to no other. Connections are kept for the next request
by whoever makes several (`Connections`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from lamina.dockerfile.remotes import host_of, is_http, redacted
from lamina.errors import InvalidInput, LaminaError
from lamina.fetch.failures import FetchFailed, Retry, of_exception, of_status
from lamina.fetch.headers import RETRIED, credentials, is_same_server, retry_after
from lamina.fetch.proxies import proxy_for
from lamina.fetch.stopping import pause

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from urllib3 import BaseHTTPResponse

    from lamina.fetch.stopping import Stopper

ATTEMPTS = 5
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0  # seconds; each pause is twice the one before
_MOST_REDIRECTS = 10
_KEPT = 4  # connections to one host
_CONNECT, _READ = 20.0, 60.0  # seconds of silence
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_AGENT = "lamina"

Result = TypeVar("Result")


class Access(NamedTuple):
    """How a host is reached: the value of the header Authorization ("" for none), and proxy variables.

    `challenged` is asked once when the host answers 401: it is given its WWW-Authenticate, and returns the
    value to try with, "" for none.
    """

    authorization: str = ""
    proxies: Mapping[str, str] = {}
    challenged: Callable[[str], str] | None = None


class Request(NamedTuple):
    """What is asked. `shown` is what messages call it: "cannot fetch SHOWN: ..."; the URL if it is ""."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    shown: str = ""
    attempts: int = ATTEMPTS


class Connections:
    """Connections to hosts, for several threads; `close` ends them. `verify` False trusts any certificate."""

    def __init__(self, proxies: Mapping[str, str], *, verify: bool = True) -> None:
        self._proxies = proxies
        self._verify = verify
        self._managers: dict[str | None, Any] = {}

    def open(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> BaseHTTPResponse:
        """Asks, and returns the answer before its body. The errors of urllib3."""
        proxy = proxy_for(url, self._proxies)
        manager = self._managers.get(proxy)
        if manager is None:
            manager = self._managers.setdefault(proxy, _manager(proxy, self._verify))
        answer: BaseHTTPResponse = manager.request(
            method, url, headers=headers, body=body, preload_content=False, redirect=False
        )
        return answer

    def close(self) -> None:
        """Ends what is open."""
        while self._managers:
            self._managers.popitem()[1].clear()


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
        self.shown = request.shown or redacted(request.url)
        self._request = request
        self._authorization = access.authorization
        self._challenged = access.challenged
        self._stopper = stopper
        self._connections = connections
        self._proxies = access.proxies
        self._more = more

    def run(self, take: Callable[[BaseHTTPResponse, str], Result]) -> Result:
        """What `take` makes of the answer, which it is given with the host; it may raise Retry."""
        own = None if self._connections else Connections(self._proxies)
        connections = self._connections or own
        assert connections is not None
        try:
            return self._attempts(connections, take)
        finally:
            if own is not None:
                own.close()

    def _attempts(self, connections: Connections, take: Callable[[BaseHTTPResponse, str], Result]) -> Result:
        wait = _FIRST_PAUSE
        for left in reversed(range(self._request.attempts)):
            self._stopper.check()
            try:
                return self._attempt(connections, take)
            except Retry as failure:
                seconds = failure.after if failure.after is not None else wait
                if not left or seconds > _LONGEST_PAUSE:
                    raise failure.error from None
                pause(seconds, self._stopper)
                wait *= 2
        raise AssertionError("the last attempt raises")

    def _attempt(self, connections: Connections, take: Callable[[BaseHTTPResponse, str], Result]) -> Result:
        """Follows redirects to an answer, and takes it."""
        import urllib3  # 60 ms, and TLS: only for what is fetched

        request = self._request
        url, left = request.url, _MOST_REDIRECTS
        while True:
            host = host_of(url)
            try:
                answer = connections.open(request.method, url, self._headers(url), request.body)
            except (urllib3.exceptions.HTTPError, OSError, UnicodeError) as error:
                raise self.broken(error, host) from None
            try:
                target = answer.headers.get("Location") if answer.status in _REDIRECTS else None
                if answer.status == 401 and self._answers(answer, url):
                    continue
                if target is None:
                    return take(answer, host)
            finally:
                answer.close()
            left -= 1
            if left < 0:
                raise FetchFailed(f"cannot fetch {self.shown}: more than {_MOST_REDIRECTS} redirects")
            url = self._next(url, target)

    def _answers(self, answer: BaseHTTPResponse, url: str) -> bool:
        """Whether there is something to answer to a challenge of whom we asked; only once."""
        if self._challenged is None or url != self._request.url:
            return False
        challenged, self._challenged = self._challenged, None
        self._authorization = challenged(", ".join(answer.headers.getlist("WWW-Authenticate")))
        return bool(self._authorization)

    def _next(self, url: str, target: str) -> str:
        from urllib.parse import urljoin

        try:
            found = urljoin(url, target)
        except ValueError:
            found = ""
        if not is_http(found) or not host_of(found):
            raise FetchFailed(f"cannot fetch {self.shown}: {host_of(url)} redirects to {target[:200]!r}")
        if self._request.body is not None and not is_same_server(self._request.url, found):
            what = f"{host_of(url)} redirects what we sent to {host_of(found)}, which it was not meant for"
            raise FetchFailed(f"cannot fetch {self.shown}: {what}")
        return found

    def _headers(self, url: str) -> dict[str, str]:
        """What is asked. Secrets go to the host of the first URL only, and never from TLS into the clear."""
        headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity", "Accept": "*/*"}
        headers |= self._request.headers
        headers |= self._more()
        secret = credentials(self._request.url, url, self._authorization)
        if secret:
            headers["Authorization"] = secret
        return headers

    def failed(self, answer: BaseHTTPResponse, host: str) -> LaminaError | Retry:
        """What to raise for an answer that is none of success."""
        error = of_status(answer.status, answer.reason or "", self.shown, host)
        if answer.status in RETRIED:
            return Retry(error, retry_after(answer.headers.get("Retry-After", "")))
        return error

    def broken(self, error: Exception, host: str) -> LaminaError | Retry:
        """What to raise when there was no answer, or only a part."""
        failed, again = of_exception(error, self.shown, host)
        return Retry(failed) if again else failed


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
                line.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def _manager(proxy: str | None, verify: bool) -> Any:
    """What makes connections: with time-outs and the system's certificates, and nothing done on its own."""
    import ssl

    import urllib3

    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # whoever asked for it knows
    options: dict[str, Any] = {
        "retries": False,
        "maxsize": _KEPT,
        "timeout": urllib3.Timeout(connect=_CONNECT, read=_READ),
        "ssl_context": context,
    }
    if proxy is None:
        return urllib3.PoolManager(**options)
    secret = credentials(proxy, proxy, "")
    headers = {"Proxy-Authorization": secret} if secret else None
    return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)
