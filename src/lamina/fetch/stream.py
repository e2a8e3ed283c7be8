"""stream: what is at a URL, or a part of it, read as it comes by whoever wants the bytes, into no file.

It is what never changes there (its name is its digest): where the connection breaks, the rest is asked for.
It is taken as it is sent: storage often says of a layer that it is "encoded" with gzip, as it is in itself.
"""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, BinaryIO, cast

from lamina.errors import Corrupt, LaminaError
from lamina.fetch.exchange import Access, Exchange, Line, Request, dispose, shown_host
from lamina.fetch.failures import FetchFailed, NoRanges, Retry
from lamina.fetch.headers import content_range
from lamina.fetch.pace import Pace
from lamina.fetch.retrying import Patience

if TYPE_CHECKING:
    from collections.abc import Callable

    from urllib3 import BaseHTTPResponse

    from lamina.fetch.connections import Connections
    from lamina.fetch.stopping import Stopper

_CHUNK = 1 << 18  # bytes that are read ahead
_PROGRESS = 1 << 20  # bytes after which an attempt that breaks does not count


class Place:
    """Where the bytes are: asked again where they break off. `access` gives the rights of each time."""

    def __init__(
        self,
        url: str,
        shown: str,
        access: Callable[[], Access],
        stopper: Stopper,
        connections: Connections,
        hint: str = "",
    ) -> None:
        self.url = url
        self.shown = shown
        self.hint = hint
        self.access = access
        self.stopper = stopper
        self.connections = connections
        self.moved = ""  # where it was redirected to: asked at once for the next parts


def open_whole(place: Place, size: int, digest: str) -> BinaryIO:
    """All of it, `size` bytes. Corrupt instead of the last bytes when they are not the digest's."""
    return cast("BinaryIO", io.BufferedReader(_Reader(place, 0, size, size, digest), _CHUNK))


def open_part(place: Place, start: int, end: int, size: int) -> BinaryIO:
    """Bytes `start` to `end` (not with it) of `size`; nothing proves them. NoRanges, when first read."""
    return cast("BinaryIO", io.BufferedReader(_Reader(place, start, end, size, ""), _CHUNK))


class _Reader(io.RawIOBase):
    """The raw stream. `digest` is "" for a part."""

    def __init__(self, place: Place, start: int, end: int, size: int, digest: str) -> None:
        super().__init__()
        self._place = place
        self._at, self._end, self._size = start, end, size
        self._digest = digest
        self._hash = hashlib.sha256()
        self._answer: BaseHTTPResponse | None = None
        self._exchange: Exchange | None = None
        self._pace = Pace()
        self._patience = Patience(place.stopper)  # for all of it, not for each read
        self._gained = 0  # bytes since the last time it broke

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(cast("bytearray", buffer))
        want = min(len(view), self._end - self._at)
        if not len(view):
            return 0
        if want == 0:
            self._finish()
            return 0
        data = self._patiently(want)
        view[: len(data)] = data
        self._at += len(data)
        if self._digest:
            self._hash.update(data)
            if self._at == self._end:
                self._finish()
        return len(data)

    def readall(self) -> bytes:
        out = bytearray()  # that of the base class takes 8 KiB at a time
        while data := self.read(_CHUNK):
            out += data
        return bytes(out)

    def close(self) -> None:
        if not self.closed:
            self._drop()
        super().close()

    def _patiently(self, want: int) -> bytes:
        while True:
            self._place.stopper.check()
            try:
                return self._read(want)
            except Retry as failure:
                self._patience.bear(failure)

    def _read(self, want: int) -> bytes:
        import urllib3  # loaded when something is asked

        answer = self._answer or self._begin()
        assert self._exchange is not None
        try:
            with self._place.stopper.killing(Line(answer)):
                data = answer.read1(want, decode_content=False)
            self._pace.check(len(data))
            if not data:
                raise urllib3.exceptions.ProtocolError("it ends too early")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self._drop()
            self._place.stopper.check()  # it was us who broke it
            failure = self._exchange.broken(error, shown_host(self._place.url))
            if isinstance(failure, Retry):
                failure.progress, self._gained = self._gained >= _PROGRESS, 0
            raise failure from None
        self._gained += len(data)
        return data

    def _begin(self) -> BaseHTTPResponse:
        """Asks for what is still to come."""
        whole = self._at == 0 and self._end == self._size
        headers = {} if whole else {"Range": f"bytes={self._at}-{self._end - 1}"}
        answer = self._ask(headers)
        try:
            if whole:
                self._check_whole(answer)
            else:
                self._check_part(answer)
        except BaseException:
            dispose(answer)
            raise
        self._answer, self._pace = answer, Pace()
        return answer

    def _ask(self, headers: dict[str, str]) -> BaseHTTPResponse:
        place = self._place
        request = Request(place.url, headers=headers, shown=place.shown, attempts=1, hint=place.hint)
        if place.moved:
            self._exchange = Exchange(request._replace(url=place.moved), Access(), place.stopper)
            try:
                return self._exchange.begin(place.connections)
            except (LaminaError, Retry):
                place.stopper.check()
                place.moved = ""  # such addresses are good for some minutes only
        self._exchange = Exchange(request, place.access(), place.stopper)
        answer = self._exchange.begin(place.connections)
        place.moved = self._exchange.reached if self._exchange.reached != place.url else ""
        return answer

    def _check_whole(self, answer: BaseHTTPResponse) -> None:
        length = answer.headers.get("Content-Length", "")
        if length.isascii() and length.isdigit() and int(length[:20]) != self._size:
            what = f"{shown_host(self._place.url)} sends {length[:20]} bytes, and it should have {self._size}"
            raise Corrupt(f"{self._place.shown} is not what the manifest says: {what}")

    def _check_part(self, answer: BaseHTTPResponse) -> None:
        first = content_range(answer.headers.get("Content-Range", "")) if answer.status == 206 else -1
        if first == self._at:
            return
        host = shown_host(self._place.url)
        what = f"cannot fetch {self._place.shown}: {host} sent another part than asked"
        if not self._digest:
            raise NoRanges(what)
        if answer.status != 200:
            raise FetchFailed(what)
        self._skip(answer, self._at)

    def _skip(self, answer: BaseHTTPResponse, left: int) -> None:
        """It comes all over again: what we have is read once more."""
        import urllib3

        assert self._exchange is not None
        try:
            with self._place.stopper.killing(Line(answer)):
                while left:
                    data = answer.read1(min(_CHUNK, left), decode_content=False)
                    if not data:
                        raise urllib3.exceptions.ProtocolError("it ends too early")
                    left -= len(data)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self._place.stopper.check()
            raise self._exchange.broken(error, shown_host(self._place.url)) from None

    def _finish(self) -> None:
        """All has come: what comes after it, and what it is."""
        import urllib3

        longer = False
        if self._answer is not None:
            try:
                longer = bool(self._answer.read1(1, decode_content=False))
            except (urllib3.exceptions.HTTPError, OSError):
                pass  # what we asked for is here
            self._drop()
        if not self._digest:
            return
        found = "sha256:" + self._hash.hexdigest()
        if longer or found != self._digest:
            what = f"it has more than {self._size} bytes" if longer else f"its bytes are {found}"
            host = shown_host(self._place.url)
            raise Corrupt(f"{self._place.shown} is not what the manifest says: {host}: {what}")

    def _drop(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.close()
