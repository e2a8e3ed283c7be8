"""fetch: one file over HTTP into an open file, whatever happens on the way.

What breaks is tried again, from where it broke off if the server can; what the server has not changed is
not sent again; what goes to one host as a secret goes to no other.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamina.dockerfile.remotes import redacted
from lamina.errors import Corrupt, Denied, InvalidInput, LaminaError, NoSpace
from lamina.fetch.exchange import Access, Exchange, Line, Request
from lamina.fetch.failures import FetchFailed, Retry, of_status
from lamina.fetch.headers import content_range, error_text, http_date, strong_date, validator
from lamina.fetch.pace import Pace
from lamina.fetch.stopping import NeverStops
from lamina.oci.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from urllib3 import BaseHTTPResponse

    from lamina.fetch.connections import Connections
    from lamina.fetch.stopping import Stopper

_CHUNK = 1 << 18
_LARGEST = 1 << 37  # bytes: 128 GiB
_PROGRESS = 1 << 20  # bytes that an attempt has brought for good before it broke, so that it does not count
_OPEN = Access()


class Known(NamedTuple):
    """What an earlier answer said of itself; with one of them a server can tell that nothing changed."""

    etag: str = ""
    modified: str = ""  # the header Last-Modified, where it is proof enough


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
    connections: Connections | None = None,
    shown: str = "",
    immutable: bool = False,
) -> Fetched | None:
    """Writes what is at `url` to `sink`, a file that can be sought in; None: unchanged since `known`.

    `progress` is told bytes that came, and how many there will be (0: not said). `connections` are used
    where there are some; messages call it `shown`, else by its URL. What is `immutable` never changes there
    (its name is its digest): a rest of it belongs to what came before, and the sink, not we, takes its
    digest: ours is ""; and it is taken as it is sent, for storage often says of a layer that it is "encoded"
    with gzip, which it is in itself. Corrupt when it is not `expected`; NotFound, Denied, FetchFailed with
    the host and what it said; InvalidInput beyond `limit` bytes; Cancelled, NoSpace.
    """
    request = Request(url, shown=shown)
    stopper = stopper or NeverStops()
    transfer = _Transfer(sink, known, limit, stopper, progress or (lambda done, total: None), immutable)
    fetched = transfer.run(Exchange(request, access, stopper, connections, transfer.headers))
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
        sink: BinaryIO,
        known: Known | None,
        limit: int,
        stopper: Stopper,
        progress: Callable[[int, int], object],
        immutable: bool,
    ) -> None:
        self._sink = sink
        self._known = known
        self._limit = limit
        self._stopper = stopper
        self._progress = progress
        self._immutable = immutable
        self._validator = ""  # what makes sure that a rest belongs to what came before
        self._whole = False  # there are no parts of it
        self._restart()

    def _restart(self) -> None:
        self._size = 0
        self._hash = hashlib.sha256()
        self._sink.seek(0)
        self._sink.truncate()

    def run(self, exchange: Exchange) -> Fetched | None:
        """Attempts until one succeeds or no more make sense."""
        self._exchange = exchange
        self._doing = exchange.doing
        return exchange.run(self._take)

    def headers(self) -> dict[str, str]:
        """What this attempt asks for: the rest, or what has changed."""
        if self._size and self._goes_on():
            proof = {} if self._immutable else {"If-Range": self._validator}
            return {"Range": f"bytes={self._size}-", **proof}
        if self._known is not None and self._known.etag:
            return {"If-None-Match": self._known.etag}
        if self._known is not None and self._known.modified:
            return {"If-Modified-Since": self._known.modified}
        return {}

    def _goes_on(self) -> bool:
        """Whether the rest can be asked for."""
        return not self._whole and bool(self._immutable or self._validator)

    def _take(self, answer: BaseHTTPResponse, host: str) -> Fetched | None:
        status = answer.status
        if status == 304 and self._known is not None:
            return None
        if status == 206 and self._size:
            if content_range(answer.headers.get("Content-Range", "")) != self._size:
                self._whole = True  # it cannot do what it was asked for: all over again, and in one piece
                raise Retry(FetchFailed(f"cannot {self._doing}: {host} sent another part than asked"))
        elif 200 <= status < 300 and status != 206:
            self._restart()
        elif status == 416 and self._size:
            self._whole = True
            raise Retry(of_status(status, answer.reason or "", self._doing, host), 0)
        else:
            raise self._exchange.failed(answer, host)
        self._validator = validator(answer.headers)
        self._read(answer, host)
        known = Known(answer.headers.get("ETag", ""), strong_date(answer.headers))
        time = http_date(answer.headers.get("Last-Modified", ""))
        digest = Digest("" if self._immutable else "sha256:" + self._hash.hexdigest())
        return Fetched(digest, self._size, time, known)

    def _read(self, answer: BaseHTTPResponse, host: str) -> None:
        """Takes the body, in pieces."""
        import urllib3  # loaded already

        length = answer.headers.get("Content-Length", "")
        total = self._size + int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0
        self._check_size(total)
        begin, pace = self._size, Pace()
        try:
            with self._stopper.killing(Line(answer)):
                while data := answer.read1(_CHUNK, decode_content=not self._immutable):
                    self._write(data, total)
                    pace.check(len(data))
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self._stopper.check()  # it was us who broke it
            failure = self._exchange.broken(error, host)
            if isinstance(failure, Retry):
                failure.progress = self._size - begin >= _PROGRESS and self._goes_on()
            raise failure from None

    def _write(self, data: bytes, total: int) -> None:
        self._check_size(self._size + len(data))
        try:
            self._sink.write(data)
            self._sink.flush()
        except OSError as error:
            raise _cannot_write(error) from None
        if not self._immutable:
            self._hash.update(data)
        self._size += len(data)
        self._progress(self._size, total)

    def _check_size(self, size: int) -> None:
        if size > self._limit:
            raise InvalidInput(f"cannot {self._doing}: it is larger than {self._limit} bytes")


def _cannot_write(error: OSError) -> LaminaError:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return NoSpace("no space left for what is fetched", hint="`lamina prune` frees some")
    return Denied(f"cannot write what is fetched: {error_text(error)}")
