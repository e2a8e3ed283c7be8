"""The one clock that configs and rows are dated by."""

from __future__ import annotations

import time

from lamina.oci.timestamp import rfc3339


def now() -> str:
    """The time: RFC 3339 in UTC, with nanoseconds."""
    return rfc3339(*divmod(time.time_ns(), 1_000_000_000))
