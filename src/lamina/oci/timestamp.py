"""Times as they stand in configs and rows: RFC 3339 in UTC (config.md, `created`)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lamina.errors import InvalidInput

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(seconds: int, nanoseconds: int | None = None) -> str:
    """`seconds` since 1970; with nine more digits for `nanoseconds`. InvalidInput past the year 9999."""
    try:
        text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    except OverflowError:
        raise InvalidInput(f"no date is {seconds} seconds away from 1970") from None
    return f"{text}Z" if nanoseconds is None else f"{text}.{nanoseconds:09d}Z"
