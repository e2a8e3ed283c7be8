"""Signals that our process gets, passed on to a container's; as `docker run` does by default."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from lamina.sandbox.protocol import Process

# The rest cannot be caught, or is about this process: its children, pipes, faults, and job control.
_FORWARDED = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCONT,
    signal.SIGALRM,
    signal.SIGVTALRM,
    signal.SIGPROF,
    signal.SIGIO,
    signal.SIGPWR,
    *range(signal.SIGRTMIN, signal.SIGRTMAX + 1),
)


class Forwarder:
    """Where signals go: to the process once it is there; those that came before are kept for it."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._early: list[int] = []
        self.resized: Callable[[], None] | None = None  # called when our terminal has another size

    def to(self, process: Process) -> None:
        """From now on signals go to `process`."""
        self._process = process
        while self._early:
            process.signal(self._early.pop(0))

    def forward(self, number: int, frame: FrameType | None) -> None:
        """The handler of every forwarded signal."""
        if self._process is None:
            self._early.append(number)
        else:
            self._process.signal(number)

    def resize(self, number: int, frame: FrameType | None) -> None:
        """The handler of SIGWINCH; whoever has the container's terminal gets one of its own."""
        if self.resized is not None:
            self.resized()
        else:
            self.forward(number, frame)


@contextmanager
def forwarding(wanted: bool) -> Iterator[Forwarder]:
    """Catches signals inside of the block, for a process that is started in it.

    Does nothing unless `wanted`, nor outside of the main thread, which is the only one that may.
    """
    forwarder = Forwarder()
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield forwarder
        return
    before: dict[int, Any] = {number: signal.signal(number, forwarder.forward) for number in _FORWARDED}
    before[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, forwarder.resize)
    try:
        yield forwarder
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
