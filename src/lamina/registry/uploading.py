"""Uploading: one blob into a repository (distribution-spec, "Pushing Blobs"), however often it breaks off.

A blob whose digest is known goes in one request (POST, then PUT); where that is too much for a proxy before
the registry, in pieces (PATCH). What breaks off goes on where the registry says that it is, else anew.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urljoin

from lamina.dockerfile.remotes import host_of, is_http
from lamina.errors import Corrupt, Denied, InvalidInput, LaminaError
from lamina.fetch.exchange import Body, Request
from lamina.fetch.failures import FetchFailed, Retry
from lamina.fetch.headers import RETRIED, retry_after
from lamina.fetch.retrying import retrying
from lamina.registry.discovery import has_blob
from lamina.registry.failures import LOGIN, codes, refused, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.fetch.ask import Answer
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import Digest
    from lamina.oci.reference import Reference
    from lamina.registry.reach import Reached

PIECE = 5 << 20  # bytes: the least that registries on S3 take in one piece
_WORTH = 1 << 20  # bytes: of less, nobody asks how much has arrived
_SMALLEST_PIECE = 256 << 10  # bytes: some proxies stop at 1 MiB
_LIMIT = "something before the registry limits the size of requests: raise its limit"
_LARGEST_PIECE = 64 << 20  # bytes: what a registry may make us hold in memory
_DIGESTED = 10 << 20  # bytes a second that a registry is believed to check at the end
_TYPE = {"Content-Type": "application/octet-stream"}


class Session:
    """One upload under way at a registry: where it lies, and how much has arrived."""

    def __init__(self, at: Reached, reference: Reference, shown: str) -> None:
        """`shown` is what messages call the blob: "blob 0123 to example/app"."""
        self.at = at
        self.reference = reference
        self.shown = shown
        self.location = ""  # "" while there is none
        self.piece = PIECE
        self._least = 0  # bytes of a piece that the registry takes

    def begin(self, query: str = "") -> Answer:
        """Opens it (POST); any status of success, for a mount may be one."""
        url = f"{self.at.url}/blobs/uploads/{query}"
        answer = self.at.ask(self._request(url, "POST", b""))
        if not answer.ok:
            raise self.refusal(answer)
        if answer.status != 201:
            self._move(answer, url)
            if not self.location:
                raise FetchFailed(f"cannot push {self.shown}: {self.at.host} does not say where to")
        least = answer.headers.get("oci-chunk-min-length", "")
        if least.isascii() and least.isdigit():
            self._least = min(int(least[:12]), _LARGEST_PIECE)
            self.piece = max(self.piece, self._least)
        return answer

    def arrived(self) -> int | None:
        """How many bytes have arrived; None when the registry does not know, and it must begin anew."""
        answer = self.at.ask(self._request(self.location, "GET", None))
        if not answer.ok:
            return None
        self._move(answer, self.location)
        return _end_of(answer)

    def patch(self, data: bytes, start: int) -> int:
        """Sends one piece; how many bytes have arrived then. Retry."""
        headers = {"Content-Range": f"{start}-{start + len(data) - 1}", **_TYPE}
        answer = self._send("PATCH", self.location, data, headers)
        self._move(answer, self.location)
        end = _end_of(answer)
        return start + len(data) if end is None else end

    def put(self, digest: Digest, body: bytes | Body, start: int = 0) -> None:
        """Ends it with its last bytes, or all. Retry; Corrupt when the registry takes another digest."""
        headers = dict(_TYPE)
        size = len(body) if isinstance(body, bytes) else body.size
        if start and size:
            headers["Content-Range"] = f"{start}-{start + size - 1}"
        url = self.location + ("&" if "?" in self.location else "?") + f"digest={digest}"
        answer = self._send("PUT", url, body, headers, (start + size) / _DIGESTED)
        said = answer.headers.get("docker-content-digest", digest)
        if said.startswith("sha256:") and said != digest:
            raise Corrupt(f"cannot push {self.shown}: {self.at.host} says that it is {said[:100]}")
        self.location = ""

    def shrink(self) -> bool:
        """Makes pieces a quarter as large; False when they are small, or as small as the registry wants."""
        if self.piece // 4 < max(_SMALLEST_PIECE, self._least):
            return False
        self.piece //= 4
        return True

    def cancel(self) -> None:
        """Tells the registry that nothing more comes, if it listens."""
        if self.location:
            try:
                self.at.ask(self._request(self.location, "DELETE", None)._replace(attempts=1))
            except LaminaError:
                pass  # it expires there
            self.location = ""

    def refusal(self, answer: Answer) -> LaminaError:
        """The error for an answer that is none of success."""
        if "DIGEST_INVALID" in codes(answer):
            return Corrupt(f"cannot push {self.shown}: {self.at.host}: {told(answer)}")
        return refused(answer, self.reference, self.at.host, self.shown, verb="push")

    def _send(
        self, method: str, url: str, body: bytes | Body, headers: dict[str, str], patience: float = 0.0
    ) -> Answer:
        request = self._request(url, method, body)._replace(headers=headers, patience=patience)
        answer = self.at.ask_once(request)
        if answer.ok:
            return answer
        if answer.status == 413:
            raise TooLarge(self.refusal(answer))
        if answer.status in RETRIED:
            raise Retry(self.refusal(answer), retry_after(answer.headers.get("retry-after", "")))
        if answer.status in (404, 416):
            raise Retry(self.refusal(answer), 0)  # it has forgotten, or has another part: `arrived` will say
        raise self.refusal(answer)

    def _request(self, url: str, method: str, body: bytes | Body | None) -> Request:
        return Request(url, method, body=body, shown=self.shown, verb="push", hint=LOGIN)

    def _move(self, answer: Answer, url: str) -> None:
        """Each answer may say anew where the upload lies; also elsewhere, where our rights do not go."""
        target = answer.headers.get("location", "")
        if not target:
            return
        try:
            found = urljoin(url, target)
        except ValueError:
            found = ""
        if not is_http(found) or not host_of(found):
            said = f"{self.at.host} wants it at {target[:100]!r}"
            raise FetchFailed(f"cannot push {self.shown}: {said}")
        self.location = _with_tls(found, url)


class TooLarge(Retry):
    """Something before the registry does not take so much in one request."""


class Upload:
    """A blob that is here, with its digest, on its way into one repository."""

    def __init__(
        self,
        session: Session,
        descriptor: Descriptor,
        open: Callable[[], BinaryIO],
        progress: Callable[[int, int], object],
    ) -> None:
        self._session = session
        self._descriptor = descriptor
        self._open = open
        self._progress = progress
        self._pieces = False
        self._resumed = False
        self._begun = False
        self._broken = 0  # times that it broke off
        self._best = 0  # bytes that had arrived at the best of times

    def run(self) -> None:
        """Until it is there. Denied, FetchFailed, Corrupt, Cancelled, and what `open` raises."""
        try:
            retrying(self._attempt, self._session.at.stopper)
        except (Corrupt, InvalidInput, Denied):
            self._session.cancel()
            raise

    def _attempt(self) -> None:
        session, total = self._session, self._descriptor.size
        best, start = self._best, self._where()
        if start is None:
            self._progress(total, total)
            return
        self._best = max(best, start)
        self._progress(start, total)
        try:
            if self._pieces:
                self._in_pieces(start)
            else:
                self._at_once(start)
        except TooLarge as failure:
            self._forget()
            if self._pieces and not session.shrink():
                raise FetchFailed(failure.error.message, hint=_LIMIT) from None
            self._pieces = True
            raise Retry(failure.error, 0, progress=True) from None
        except Retry as failure:
            failure.progress = self._best - best >= _WORTH
            self._broken = 0 if failure.progress else self._broken + 1
            self._pieces |= self._broken >= 2 and total > session.piece
            raise
        except Corrupt as error:
            if not self._resumed:
                raise
            self._forget()  # what was there before it broke was not what we had sent
            raise Retry(error, 0) from None

    def _where(self) -> int | None:
        """From which byte on to send; None when all of it is there."""
        session = self._session
        if self._begun and session.location:
            end = session.arrived() if self._descriptor.size >= _WORTH else None
            if end is not None and 0 < end <= self._descriptor.size:
                self._resumed = True
                return end
            # The answer to what we sent may be what was lost.
            if has_blob(session.at, session.reference, self._descriptor.digest):
                return None
            session.cancel()
        if not session.location:
            session.begin()
        self._begun = True
        return 0

    def _forget(self) -> None:
        self._session.cancel()
        self._resumed = False

    def _at_once(self, start: int) -> None:
        total = self._descriptor.size
        body = Body(
            lambda: self._open_at(start), total - start, lambda done: self._progress(start + done, total)
        )
        self._session.put(self._descriptor.digest, body if body.size else b"", start)

    def _in_pieces(self, start: int) -> None:
        total, session = self._descriptor.size, self._session
        with self._open_at(start) as stream:
            data = b""
            while start < total:
                data = data or _exactly(stream, min(session.piece, total - start), session.shown)
                if start + len(data) == total and stream.read(1):
                    raise Corrupt(f"cannot push {session.shown}: it has more than {total} bytes")
                end = session.patch(data, start)
                if not start < end <= start + len(data):
                    raise Retry(FetchFailed(f"cannot push {session.shown}: {session.at.host} lost a part"))
                start, data = end, data[end - start :]
                self._best = max(self._best, start)
                self._progress(start, total)
        session.put(self._descriptor.digest, b"", start)

    def _open_at(self, start: int) -> BinaryIO:
        stream = self._open()
        try:
            if start and stream.seekable():
                stream.seek(start)
            else:
                _skip(stream, start, self._session.shown)
        except BaseException:
            stream.close()
            raise
        return stream


def _with_tls(found: str, url: str) -> str:
    """A registry behind a proxy that ends TLS may not know of it, and call itself http://."""
    plain = "http://" + url.partition("://")[2].partition("/")[0] + "/"
    if url.startswith("https://") and found.startswith(plain):
        return "https" + found.removeprefix("http")
    return found


def _exactly(stream: BinaryIO, size: int, shown: str) -> bytes:
    """So many bytes. Corrupt when there are fewer."""
    out = io.BytesIO()
    while out.tell() < size:
        data = stream.read(size - out.tell())
        if not data:
            raise Corrupt(f"cannot push {shown}: it ends too early")
        out.write(data)
    return out.getvalue()


def _skip(stream: BinaryIO, size: int, shown: str) -> None:
    while size:
        size -= len(_exactly(stream, min(size, 1 << 18), shown))


def _end_of(answer: Answer) -> int | None:
    """How many bytes the header Range (0-N, with N) says there are; None when it does not say.

    Distribution says 0-0 for nothing, and for one byte: that counts as not said.
    """
    first, dash, last = answer.headers.get("range", "").removeprefix("bytes=").partition("-")
    if first != "0" or not dash or not (last.isascii() and last.isdigit()) or int(last[:20]) == 0:
        return None
    return int(last[:20]) + 1
