"""How whoever asked for something can take it back while it is on its way."""

from __future__ import annotations

import time
from _thread import allocate_lock
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

from lamina.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Iterator
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


class Stop:
    """One word to several threads that it is over: `set`, or what `outer` says."""

    def __init__(self, outer: Stopper, message: str = "stopped") -> None:
        self._outer = outer
        self._message = message
        self._lock = allocate_lock()
        self._set = False
        self._running: list[Killable] = []

    def set(self) -> None:
        """Ends what is under way, and lets nothing begin."""
        with self._lock:
            self._set = True
            running = list(self._running)
        for each in running:
            each.kill()

    def check(self) -> None:
        """Raises Cancelled when it is over."""
        if self._set:
            raise Cancelled(self._message)
        self._outer.check()

    @contextmanager
    def killing(self, process: Killable, /) -> Iterator[None]:
        """While this lasts, `process` is killed when it is over."""
        with self._outer.killing(process):
            with self._lock:
                self._running.append(process)
                late = self._set
            if late:
                process.kill()
            try:
                yield
            finally:
                with self._lock:
                    self._running.remove(process)


def pause(seconds: float, stopper: Stopper) -> None:
    """Sleeps, unless it is over."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        stopper.check()
        time.sleep(min(left, _STEP))
    stopper.check()
