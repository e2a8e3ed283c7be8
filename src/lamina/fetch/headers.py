"""The headers of HTTP that fetching reads and writes (RFC 9110)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_SETTLED = 60  # seconds
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})


def http_date(text: str) -> int | None:
    """Seconds since 1970; None for what is no date."""
    from email.utils import parsedate_to_datetime  # the package email: only for what is fetched

    try:
        return max(0, int(parsedate_to_datetime(text).timestamp()))
    except (TypeError, ValueError, OverflowError):
        return None


def retry_after(text: str) -> float | None:
    """How many seconds a server asks us to wait: a number, or a date; None when it does not say."""
    if text.isascii() and text.isdigit():
        return float(text)
    when = http_date(text)
    if when is None:
        return None
    import time

    return max(0.0, when - time.time())


def content_range(text: str) -> int:
    """The first byte of `bytes 5-9/10`; -1 for anything else."""
    unit, _, rest = text.partition(" ")
    first = rest.partition("-")[0]
    return int(first) if unit.lower() == "bytes" and first.isascii() and first.isdigit() else -1


def validator(headers: Mapping[str, str]) -> str:
    """What proves that a rest belongs to what came before (If-Range); "" when nothing does.

    A body that was packed on the way has no parts that we could ask for.
    """
    if headers.get("Content-Encoding", "identity") != "identity":
        return ""
    etag = headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else strong_date(headers)


def strong_date(headers: Mapping[str, str]) -> str:
    """Last-Modified, if the file did not change again in the same second (RFC 9110, 8.8.2.2); else ""."""
    modified = headers.get("Last-Modified", "")
    changed, sent = http_date(modified), http_date(headers.get("Date", ""))
    return modified if changed is not None and sent is not None and sent - changed >= _SETTLED else ""


def credentials(first: str, url: str, authorization: str) -> str:
    """The header Authorization for `url`, reached from `first`, whose secret `authorization` is.

    What stands in a URL as user:password counts for its own host, when nothing else was given.
    """
    trusted = is_same_server(first, url)
    if authorization and trusted:
        return authorization
    asked, now = urlsplit(first), urlsplit(url)
    if now.username is None:
        if not (trusted and asked.username is not None):
            return ""
        now = asked
    import base64

    pair = f"{unquote(now.username or '')}:{unquote(now.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def is_same_server(first: str, url: str) -> bool:
    """Whether what is meant for `first` alone may go to `url`: the same host, port and scheme, or its TLS.

    Another port may be another user's; only from 80 to 443 it is the same server.
    """
    asked, now = urlsplit(first), urlsplit(url)
    here, there = (asked.scheme, _port(first)), (now.scheme, _port(url))
    upgraded = (here, there) == (("http", 80), ("https", 443))
    return asked.hostname == now.hostname and (here == there or upgraded)


def error_text(error: OSError) -> str:
    """What the system says of an error, or all that there is."""
    return error.strerror or str(error)


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)
