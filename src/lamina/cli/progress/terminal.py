"""Progress in a terminal: a picture that is redrawn while the build goes on.

The redrawing is driven by a timer signal and not by a thread: entering a user namespace needs a process
with one thread, and the spawner is forked from it; both may come long after the first step began. That
rules out rich.live, which also takes 80 ms to load; all that is needed of it is to go up some lines.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, TextIO

from lamina.cli.progress.drawer import Drawer
from lamina.cli.progress.picture import Line, clean, final, picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.cli.progress.steps import Step
    from lamina.events import Event

_PATIENCE, _PERIOD = 0.3, 0.1  # seconds; a build that is done before the first is only summed up
_CODES = {"blue": "34", "red": "31", "dim": "2"}
_NO_WRAP, _WRAP, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[?7l", "\x1b[?7h", "\x1b[2K", "\x1b[J"


class Terminal(Drawer):
    """Redraws the picture ten times a second, and leaves the final one on the screen."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self._started = False
        self._height = 0  # lines of the picture that is on the screen
        self._colour = out.isatty() and "NO_COLOR" not in os.environ

    def draw(self, event: Event, lines: list[tuple[float, str]]) -> None:
        if not self._started:
            self._started = True
            self._start_clock()

    def _start_clock(self) -> None:
        import signal  # only with a terminal

        try:
            signal.signal(signal.SIGALRM, self._tick)
        except ValueError:
            return  # not the main thread: the final picture has to do
        signal.siginterrupt(signal.SIGALRM, False)
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE, _PERIOD)

    def _stop_clock(self) -> None:
        if self._started:
            import signal  # see _start_clock

            signal.setitimer(signal.ITIMER_REAL, 0)

    def _tick(self, *_: object) -> None:
        """The timer went off, anywhere in the main thread: so never wait for the lock."""
        if self.lock.acquire(False):
            try:
                self.redraw()
            except OSError:
                self._stop_clock()  # the terminal is gone; that must not end the build
            finally:
                self.lock.release()

    def redraw(self) -> None:
        """Draws the picture over the one before; the lock is held."""
        size = _size(self.out)
        lines = picture(self.steps, time.monotonic(), size.columns, size.lines)
        text = "".join(f"{_CLEAR_LINE}{self._painted(line)}\n" for line in lines)
        self.out.write(f"{self._up()}{_NO_WRAP}{text}{_CLEAR_BELOW}{_WRAP}")
        self.out.flush()
        self._height = len(lines)

    def _up(self) -> str:
        return f"\r\x1b[{self._height}A" if self._height else ""

    def succeeded(self, results: Sequence[str]) -> None:
        self._stop_clock()
        with self.lock:
            self._leave([*results, self.steps.summary()])

    def failed(self) -> Step | None:
        self._stop_clock()
        return super().failed()

    def ended(self) -> None:
        self._leave([])

    def _leave(self, results: Sequence[str]) -> None:
        """Puts the final picture in the place of the last one."""
        if self._height:
            self.out.write(self._up() + _CLEAR_BELOW)
        lines = final(self.steps, time.monotonic(), _size(self.out).columns, results)
        self.out.write("".join(self._painted(line) + "\n" for line in lines if self.steps.steps or results))
        for notice in self.steps.notices:
            self.out.write(clean(notice) + "\n")
        self.out.flush()

    def _painted(self, line: Line) -> str:
        code = _CODES.get(line.style)
        return f"\x1b[{code}m{line.text}\x1b[0m" if self._colour and code else line.text


def _size(out: TextIO) -> os.terminal_size:
    try:
        size = os.get_terminal_size(out.fileno())
    except (OSError, ValueError):
        return os.terminal_size((80, 24))
    return size if size.columns and size.lines else os.terminal_size((80, 24))
