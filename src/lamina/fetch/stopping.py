"""How whoever asked for something can take it back while it is on its way."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

_STEP = 0.1  # seconds between two looks


class Killable(Protocol):
    """Something under way that can be broken off from another thread."""

    def kill(self) -> None:
        """Ends it at once."""


class Stopper(Protocol):
    """Says when it is over."""

    def check(self) -> None:
        """Raises Cancelled when it is over."""

    def killing(self, process: Killable, /) -> AbstractContextManager[None]:
        """While this lasts, `process` is killed when it is over."""


class NeverStops:
    """For work in the main thread, which Ctrl-C reaches anyway."""

    def check(self) -> None:
        """It goes on."""

    def killing(self, process: Killable, /) -> AbstractContextManager[None]:
        """Nothing to watch for."""
        return nullcontext()


def pause(seconds: float, stopper: Stopper) -> None:
    """Sleeps, unless it is over."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        stopper.check()
        time.sleep(min(left, _STEP))
    stopper.check()
