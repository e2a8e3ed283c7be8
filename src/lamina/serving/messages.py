"""Request and Response: what passes between the connection, which speaks HTTP, and what answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from lamina.serving.failures import UPLOAD_INVALID, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_MAX_PARAMETERS = 32


class Body:
    """What comes after the head of a request, in pieces as they arrive."""

    def __init__(self, next_piece: Callable[[], bytes]) -> None:
        self._next = next_piece

    def pieces(self) -> Iterator[bytes]:
        """Each piece once. Gone when the client went away in the midst."""
        while piece := self._next():
            yield piece

    def all(self, limit: int, failure: Failure) -> bytes:
        """The whole of it; `failure` when it is longer than `limit` bytes."""
        data = bytearray()
        for piece in self.pieces():
            data += piece
            if len(data) > limit:
                raise failure
        return bytes(data)


class Gone(Exception):
    """The client went away, or was too slow."""


class Request(NamedTuple):
    """One request. Header names are in lower case; `path` is decoded; `abort` cuts the connection."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Body
    abort: Callable[[], object]
    secure: bool = False
    peer: str = ""

    def number(self, name: str) -> int | None:
        """A whole number of the query; None when it is not given. Failure when it is no number."""
        text = self.query.get(name)
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise Failure(_PAGE, f"{name} is not a number")
        return int(text)


class Span(NamedTuple):
    """A part of a file that is open for reading, to be sent as it is."""

    file: BinaryIO
    start: int
    length: int


class Response(NamedTuple):
    """An answer. `content` is all of it, a part of a file, or pieces that are `length` bytes together.

    `close` is called when it was sent, or could not be. `note` is for the log of this machine.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes | Span | Iterator[bytes] = b""
    length: int = 0
    close: Callable[[], object] | None = None
    note: str = ""

    @property
    def size(self) -> int:
        """Bytes of content."""
        return len(self.content) if isinstance(self.content, bytes) else self.length


def parse_target(target: str) -> tuple[str, dict[str, str]]:
    """The path and the query of a request line. Failure when they are none."""
    try:
        parts = urlsplit(target)
        pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        raise Failure(UPLOAD_INVALID, "the address of the request makes no sense") from None
    return unquote(parts.path, errors="replace"), dict(pairs)


_PAGE = UPLOAD_INVALID._replace(code="PAGINATION_NUMBER_INVALID", message="invalid number of results")
