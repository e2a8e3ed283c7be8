"""Pace: a server that sends a few bytes now and then is one that stalls."""

from __future__ import annotations

import time

from lamina.fetch import connections

_LEAST = 1 << 14  # bytes that are to come in the time in which silence counts as the end


class Pace:
    """Measures one answer as it comes."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._came = 0

    def check(self, size: int) -> None:
        """So many bytes more have come. TimeoutError when they come too slowly."""
        self._came += size
        now = time.monotonic()
        if now - self._since > connections.READ_TIMEOUT:
            if self._came < _LEAST:
                raise TimeoutError("too slow")
            self._since, self._came = now, 0
