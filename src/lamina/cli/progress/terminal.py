"""Progress in a terminal. rich draws it, and is loaded only when a build lasts long enough to be watched."""

from __future__ import annotations

import os
import time
from _thread import allocate_lock, start_new_thread
from typing import TYPE_CHECKING, TextIO

from lamina.cli.progress.drawer import Drawer
from lamina.cli.progress.picture import Line, final, picture

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, ConsoleOptions
    from rich.live import Live
    from rich.text import Text

    from lamina.events import Event

_PATIENCE = 0.3  # seconds; a build that is done by then is only summed up
_CODES = {"blue": "34", "red": "31", "dim": "2"}


class Terminal(Drawer):
    """Redraws the picture ten times a second, and leaves the final one on the screen."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self._live: Live | None = None
        self._watching = False
        self._over = allocate_lock()  # held while the build goes on

    def draw(self, event: Event, lines: list[tuple[float, str]]) -> None:
        if not self._watching:
            self._watching = True
            self._over.acquire()
            start_new_thread(self._wait, ())

    def _wait(self) -> None:
        """A thread of its own: starts the live picture if the build is not over soon."""
        if self._over.acquire(timeout=_PATIENCE):
            self._over.release()
            return
        from rich.console import Console  # 80 ms
        from rich.live import Live

        console = Console(file=self.out)
        live = Live(
            self,
            console=console,
            transient=True,
            refresh_per_second=10,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with self.lock:
            if self._over.locked():
                self._live = live
                live.start()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        from rich.text import Text  # loaded with rich

        size = console.size
        lines = picture(self.steps, time.monotonic(), size.width, size.height)
        for line in lines:
            yield Text(line.text, style=line.style, no_wrap=True, overflow="crop")

    def _stop(self) -> None:
        """Takes the live picture down; the lock is held."""
        if self._watching and self._over.locked():
            self._over.release()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def succeeded(self, results: Sequence[str]) -> None:
        with self.lock:
            self._stop()
            self._leave([*results, self.steps.summary()])

    def ended(self) -> None:
        self._stop()
        self._leave([])

    def _leave(self, results: Sequence[str]) -> None:
        width = _width(self.out)
        lines = final(self.steps, time.monotonic(), width, results)
        colour = self.out.isatty() and "NO_COLOR" not in os.environ
        self.out.write("".join(_painted(line, colour) + "\n" for line in lines))
        for notice in self.steps.notices:
            self.out.write(notice + "\n")
        self.out.flush()


def _width(out: TextIO) -> int:
    try:
        return os.get_terminal_size(out.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def _painted(line: Line, colour: bool) -> str:
    code = _CODES.get(line.style)
    return f"\x1b[{code}m{line.text}\x1b[0m" if colour and code else line.text
