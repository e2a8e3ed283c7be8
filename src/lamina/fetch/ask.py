"""ask: a short answer over HTTP, whatever its status: documents, and questions about larger things."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput
from lamina.fetch.exchange import Access, Exchange, Line
from lamina.fetch.headers import RETRIED
from lamina.fetch.pace import Pace
from lamina.fetch.retrying import asks_too_much
from lamina.fetch.stopping import NeverStops

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3 import BaseHTTPResponse

    from lamina.fetch.connections import Connections
    from lamina.fetch.exchange import Request
    from lamina.fetch.stopping import Stopper

_CHUNK = 1 << 16
_OPEN = Access()


class Answer(NamedTuple):
    """What a server said. Names of `headers` are in small letters."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether it is what was asked for."""
        return 200 <= self.status < 300

    @property
    def media_type(self) -> str:
        """Content-Type without its parameters, "" when it was not said."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def ask(
    request: Request,
    access: Access = _OPEN,
    *,
    limit: int,
    stopper: Stopper | None = None,
    connections: Connections | None = None,
) -> Answer:
    """The answer to `request`, of any status; one that may pass is asked for again.

    FetchFailed when there is none; InvalidInput when it is longer than `limit` bytes; Cancelled.
    """
    stopper = stopper or NeverStops()
    exchange = Exchange(request, access, stopper, connections)
    last = request.attempts

    def take(answer: BaseHTTPResponse, host: str) -> Answer:
        nonlocal last
        last -= 1
        if answer.status in RETRIED and last and not asks_too_much(answer.headers.get("Retry-After", "")):
            raise exchange.failed(answer, host)
        return _answer(exchange, answer, host, limit, stopper)

    return exchange.run(take)


def ask_once(
    request: Request, access: Access, *, limit: int, stopper: Stopper, connections: Connections
) -> Answer:
    """The answer to one attempt, of any status. Retry when there is none, and there may be one yet."""
    exchange = Exchange(request, access, stopper, connections)
    return exchange.once(connections, lambda answer, host: _answer(exchange, answer, host, limit, stopper))


def _answer(exchange: Exchange, answer: BaseHTTPResponse, host: str, limit: int, stopper: Stopper) -> Answer:
    body = _body(exchange, answer, host, limit, stopper)
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Answer(answer.status, answer.reason or "", headers, body)


def _body(exchange: Exchange, answer: BaseHTTPResponse, host: str, limit: int, stopper: Stopper) -> bytes:
    import urllib3  # loaded already

    body, pace = bytearray(), Pace()
    too_long = InvalidInput(f"cannot {exchange.doing}: {host} sent more than {limit} bytes")
    length = answer.headers.get("Content-Length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > limit and exchange.has_body:
        raise too_long
    try:
        with stopper.killing(Line(answer)):
            while data := answer.read1(_CHUNK, decode_content=True):
                pace.check(len(data))
                body += data
                if len(body) > limit:
                    raise too_long
    except (urllib3.exceptions.HTTPError, OSError) as error:
        stopper.check()  # it was us who broke it
        raise exchange.broken(error, host) from None
    return bytes(body)
