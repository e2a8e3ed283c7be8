"""Cancel: one word to all threads of a build that it is over."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lamina.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.fetch.stopping import Killable


class Cancel:
    """Set once; from then on `check` raises, and processes and transfers are killed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set = False
        self._processes: list[Killable] = []

    def set(self) -> None:
        """Stops the build: kills what runs, and lets nothing begin."""
        with self._lock:
            self._set = True
            running = list(self._processes)
        for process in running:
            process.kill()

    def check(self) -> None:
        """Raises Cancelled when the build is over."""
        if self._set:
            raise Cancelled("the build was stopped")

    @contextmanager
    def killing(self, process: Killable, /) -> Iterator[None]:
        """While this lasts, `set` kills the process."""
        with self._lock:
            self._processes.append(process)
            late = self._set
        if late:
            process.kill()
        try:
            yield
        finally:
            with self._lock:
                self._processes.remove(process)
