"""Cancel: one word to all threads of a build that it is over."""

from __future__ import annotations

from lamina.fetch.stopping import NeverStops, Stop


class Cancel(Stop):
    """Set once; from then on `check` raises, and processes and transfers are killed."""

    def __init__(self) -> None:
        super().__init__(NeverStops(), "the build was stopped")
