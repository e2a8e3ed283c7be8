"""Signals that our process gets, passed on to a container's; as `docker run` does by default."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from lamina.sandbox.protocol import Process

# The rest cannot be caught, or is about this process (its children, its faults, its terminal's size).
_FORWARDED = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCONT,
)


@contextmanager
def forwarding(process: Process, resized: Callable[[], None] | None) -> Iterator[None]:
    """Forwards signals inside of the block; `resized` is called when our terminal has another size.

    Does nothing outside of the main thread, which is the only one that may handle signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def forward(number: int, frame: FrameType | None) -> None:
        process.signal(number)

    def resize(number: int, frame: FrameType | None) -> None:
        if resized is not None:
            resized()

    before = {number: signal.signal(number, forward) for number in _FORWARDED}
    before[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, resize)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
