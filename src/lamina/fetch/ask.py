"""ask: a short answer over HTTP, whatever its status: documents, and questions about larger things."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput
from lamina.fetch.exchange import Access, Exchange, Line
from lamina.fetch.headers import RETRIED
from lamina.fetch.stopping import NeverStops

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3 import BaseHTTPResponse

    from lamina.fetch.exchange import Connections, Request
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
        if answer.status in RETRIED and last:
            raise exchange.failed(answer, host)
        body = _body(exchange, answer, host, limit, stopper)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status, answer.reason or "", headers, body)

    return exchange.run(take)


def _body(exchange: Exchange, answer: BaseHTTPResponse, host: str, limit: int, stopper: Stopper) -> bytes:
    import urllib3  # loaded already

    body = bytearray()
    try:
        with stopper.killing(Line(answer)):
            for data in answer.stream(_CHUNK, decode_content=True):
                body += data
                if len(body) > limit:
                    raise InvalidInput(f"cannot fetch {exchange.shown}: {host} sent more than {limit} bytes")
    except (urllib3.exceptions.HTTPError, OSError) as error:
        stopper.check()  # it was us who broke it
        raise exchange.broken(error, host) from None
    return bytes(body)
