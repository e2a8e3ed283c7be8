"""fetch: one file over HTTP into an open file, whatever happens on the way.

What breaks is tried again, from where it broke off if the server can; what the server has not changed is
not sent again; what goes to one host as a secret goes to no other.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from lamina.dockerfile.remotes import host_of, is_http, redacted
from lamina.errors import Corrupt, Denied, InvalidInput, LaminaError, NoSpace
from lamina.fetch.failures import FetchFailed, Retry, of_exception, of_status
from lamina.fetch.headers import (
    RETRIED,
    content_range,
    credentials,
    error_text,
    http_date,
    retry_after,
    strong_date,
    validator,
)
from lamina.fetch.proxies import proxy_for
from lamina.fetch.stopping import NeverStops, pause
from lamina.oci.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from urllib3 import BaseHTTPResponse

    from lamina.fetch.stopping import Stopper

_ATTEMPTS = 5
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0  # seconds; each pause is twice the one before
_MOST_REDIRECTS = 10
_CONNECT, _READ = 20.0, 60.0  # seconds of silence
_CHUNK = 1 << 18
_LARGEST = 1 << 37  # bytes: 128 GiB
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_AGENT = "lamina"


class Known(NamedTuple):
    """What an earlier answer said of itself; with one of them a server can tell that nothing changed."""

    etag: str = ""
    modified: str = ""  # the header Last-Modified, where it is proof enough


class Access(NamedTuple):
    """How a host is reached: the value of the header Authorization ("" for none), and proxy variables."""

    authorization: str = ""
    proxies: Mapping[str, str] = {}


_OPEN = Access()


class Fetched(NamedTuple):
    """What arrived. `time` is Last-Modified in seconds since 1970, None when the server did not say."""

    digest: Digest
    size: int
    time: int | None
    known: Known


def fetch(
    url: str,
    sink: BinaryIO,
    *,
    access: Access = _OPEN,
    known: Known | None = None,
    expected: Digest | None = None,
    limit: int = _LARGEST,
    stopper: Stopper | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Fetched | None:
    """Writes what is at `url` to `sink`, a file that can be sought in; None: unchanged since `known`.

    `progress` is told bytes that came, and how many there will be (0: not said). Corrupt when it is not
    `expected`; NotFound, Denied, FetchFailed with the host and what it said; InvalidInput beyond `limit`
    bytes; Cancelled, NoSpace.
    """
    if not is_http(url) or not host_of(url):
        raise InvalidInput(f"invalid URL {redacted(url)}", hint="it is written https://HOST/PATH")
    transfer = _Transfer(url, sink, access, known, limit, stopper or NeverStops(), progress)
    fetched = transfer.run()
    if fetched is not None and expected is not None and fetched.digest != expected:
        raise Corrupt(
            f"digest mismatch for {redacted(url)}: {fetched.digest} (expected: {expected})",
            hint="the file has changed, or the --checksum is that of another one",
        )
    return fetched


class _Transfer:
    """One file on its way, over as many attempts as it takes."""

    def __init__(
        self,
        url: str,
        sink: BinaryIO,
        access: Access,
        known: Known | None,
        limit: int,
        stopper: Stopper,
        progress: Callable[[int, int], object] | None,
    ) -> None:
        self._url = url
        self._shown = redacted(url)
        self._sink = sink
        self._access = access
        self._known = known
        self._limit = limit
        self._stopper = stopper
        self._progress = progress or (lambda done, total: None)
        self._validator = ""  # what makes sure that a rest belongs to what came before
        self._restart()

    def _restart(self) -> None:
        self._size = 0
        self._hash = hashlib.sha256()
        self._sink.seek(0)
        self._sink.truncate()

    def run(self) -> Fetched | None:
        """Attempts until one succeeds or no more make sense."""
        wait = _FIRST_PAUSE
        for left in reversed(range(_ATTEMPTS)):
            self._stopper.check()
            try:
                return self._attempt()
            except Retry as failure:
                seconds = failure.after if failure.after is not None else wait
                if not left or seconds > _LONGEST_PAUSE:
                    raise failure.error from None
                pause(seconds, self._stopper)
                wait *= 2
        raise AssertionError("the last attempt raises")

    def _attempt(self) -> Fetched | None:
        """Follows redirects to an answer, and takes it."""
        import urllib3  # 60 ms, and TLS: only for what is fetched

        url = self._url
        for _ in range(_MOST_REDIRECTS + 1):
            host = host_of(url)
            with _manager(proxy_for(url, self._access.proxies)) as manager:
                try:
                    answer = manager.request(
                        "GET", url, headers=self._headers(url), preload_content=False, redirect=False
                    )
                except (urllib3.exceptions.HTTPError, OSError, UnicodeError) as error:
                    raise self._broken(error, host) from None
                try:
                    target = answer.headers.get("Location") if answer.status in _REDIRECTS else None
                    if target is None:
                        return self._take(answer, host)
                finally:
                    answer.close()
            url = self._next(url, target)
        raise FetchFailed(f"cannot fetch {self._shown}: more than {_MOST_REDIRECTS} redirects")

    def _next(self, url: str, target: str) -> str:
        from urllib.parse import urljoin

        found = urljoin(url, target)
        if not is_http(found) or not host_of(found):
            raise FetchFailed(f"cannot fetch {self._shown}: {host_of(url)} redirects to {target[:200]!r}")
        return found

    def _headers(self, url: str) -> dict[str, str]:
        """What is asked. Secrets go to the host of the first URL only, and never from TLS into the clear."""
        headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity", "Accept": "*/*"}
        secret = credentials(self._url, url, self._access.authorization)
        if secret:
            headers["Authorization"] = secret
        if self._size and self._validator:
            headers |= {"Range": f"bytes={self._size}-", "If-Range": self._validator}
        elif self._known is not None:
            if self._known.etag:
                headers["If-None-Match"] = self._known.etag
            elif self._known.modified:
                headers["If-Modified-Since"] = self._known.modified
        return headers

    def _take(self, answer: BaseHTTPResponse, host: str) -> Fetched | None:
        status = answer.status
        if status == 304 and self._known is not None:
            return None
        if status == 206 and self._size:
            if content_range(answer.headers.get("Content-Range", "")) != self._size:
                self._validator = ""  # it cannot do what it was asked for: all over again, and in one piece
                raise Retry(FetchFailed(f"cannot fetch {self._shown}: {host} sent another part than asked"))
        elif 200 <= status < 300 and status != 206:
            self._restart()
        elif status == 416 and self._size:
            self._validator = ""
            raise Retry(of_status(status, answer.reason or "", self._shown, host), 0)
        else:
            error = of_status(status, answer.reason or "", self._shown, host)
            if status in RETRIED:
                raise Retry(error, retry_after(answer.headers.get("Retry-After", "")))
            raise error
        self._validator = validator(answer.headers)
        self._read(answer, host)
        known = Known(answer.headers.get("ETag", ""), strong_date(answer.headers))
        time = http_date(answer.headers.get("Last-Modified", ""))
        return Fetched(Digest("sha256:" + self._hash.hexdigest()), self._size, time, known)

    def _read(self, answer: BaseHTTPResponse, host: str) -> None:
        """Takes the body, in pieces."""
        import urllib3  # loaded already

        length = answer.headers.get("Content-Length", "")
        total = self._size + int(length) if length.isdigit() else 0
        self._check_size(total)
        try:
            with self._stopper.killing(_Line(answer)):
                for data in answer.stream(_CHUNK, decode_content=True):
                    self._write(data, total)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self._stopper.check()  # it was us who broke it
            raise self._broken(error, host) from None

    def _write(self, data: bytes, total: int) -> None:
        self._check_size(self._size + len(data))
        try:
            self._sink.write(data)
            self._sink.flush()
        except OSError as error:
            raise _cannot_write(error) from None
        self._hash.update(data)
        self._size += len(data)
        self._progress(self._size, total)

    def _check_size(self, size: int) -> None:
        if size > self._limit:
            raise InvalidInput(f"cannot fetch {self._shown}: it is larger than {self._limit} bytes")

    def _broken(self, error: Exception, host: str) -> Exception:
        failed, again = of_exception(error, self._shown, host)
        return Retry(failed) if again else failed


class _Line:
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


def _manager(proxy: str | None) -> Any:
    """What makes connections: with time-outs and the system's certificates, and nothing done on its own."""
    import ssl

    import urllib3

    options: dict[str, Any] = {
        "retries": False,
        "timeout": urllib3.Timeout(connect=_CONNECT, read=_READ),
        "ssl_context": ssl.create_default_context(),
    }
    if proxy is None:
        return urllib3.PoolManager(**options)
    secret = credentials(proxy, proxy, "")
    headers = {"Proxy-Authorization": secret} if secret else None
    return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)


def _cannot_write(error: OSError) -> LaminaError:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return NoSpace("no space left for what is fetched", hint="`lamina prune` frees some")
    return Denied(f"cannot write what is fetched: {error_text(error)}")
