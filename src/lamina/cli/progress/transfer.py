"""Transfer: the layers of a pull or a push, as Docker shows them: one line each, redrawn in a terminal."""

from __future__ import annotations

import os
import time
from _thread import allocate_lock
from typing import TYPE_CHECKING, TextIO

from lamina.cli.units import human_size
from lamina.dockerfile.source import printable
from lamina.events import Notice, Progress

if TYPE_CHECKING:
    from lamina.events import Event

_PERIOD = 0.1  # seconds between two pictures
_BAR = 50  # characters of a bar, as Docker's
_UP, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[{}A", "\x1b[2K", "\x1b[J"
_ENDS = ("complete", "exists", "Pushed", "Mounted")  # words of states in which a layer is done


class _Line:
    """One layer: what was said of it last, and how far it is since then."""

    __slots__ = ("done", "state", "total")

    def __init__(self) -> None:
        self.state = ""
        self.done = self.total = 0

    @property
    def is_done(self) -> bool:
        return any(word in self.state for word in _ENDS)


class Transfer:
    """An Observer. `verb` is what a layer on its way does: "Pushing". `begin` prints the title, once.

    Without a terminal every Notice is a line, and how far something is is not told. In one, the lines of
    layers are drawn anew ten times a second at most; those that are done go first where all do not fit.
    """

    def __init__(self, out: TextIO, title: str, verb: str, *, is_terminal: bool) -> None:
        self._out = out
        self._title = title
        self._verb = verb
        self._is_terminal = is_terminal
        self._lines: dict[str, _Line] = {}
        self._height = 0  # lines of the picture that is on the screen
        self._drawn = 0.0
        self._lock = allocate_lock()

    def begin(self) -> None:
        """Shows what this is about, before the first event."""
        if self._title:
            self._write(self._title + "\n")
            self._title = ""

    def __call__(self, event: Event) -> None:
        with self._lock:
            self.begin()
            if isinstance(event, Notice):
                self._notice(event.text)
            elif isinstance(event, Progress) and self._is_terminal:
                line = self._lines.setdefault(event.what, _Line())
                if not line.is_done:
                    line.done, line.total = event.done, event.total
                    self._draw(now=False)

    def end(self) -> None:
        """Leaves the last picture; what comes after it is a list of its own."""
        with self._lock:
            if self._is_terminal and self._lines:
                self._draw(now=True)
            self._lines, self._height = {}, 0

    def _notice(self, text: str) -> None:
        text = printable(text)  # some of it is said by registries
        name, colon, state = text.partition(": ")
        if not self._is_terminal:
            self._write(text + "\n")
        elif colon and _is_layer(name):
            line = self._lines.setdefault(name, _Line())
            line.state, line.done, line.total = state, 0, 0
            self._draw(now=line.is_done)
        else:
            self._above(text)

    def _above(self, text: str) -> None:
        """A line that is about no layer stays above the picture."""
        self._write(f"{self._start()}{_CLEAR_BELOW}{text}\n")
        self._height = 0
        if self._lines:
            self._draw(now=True)

    def _draw(self, *, now: bool) -> None:
        moment = time.monotonic()
        if not now and moment - self._drawn < _PERIOD:
            return
        self._drawn = moment
        columns, rows = _size(self._out)
        shown = list(self._lines.items())
        hidden = max(0, len(shown) - (rows - 2))
        if hidden:
            shown = sorted(shown, key=lambda each: not each[1].is_done)[hidden:]
        texts = [_text(name, line, self._verb, columns) for name, line in shown]
        if hidden:
            texts.insert(0, f"({hidden} more layers)")
        drawn = "".join(f"{_CLEAR_LINE}{text}\n" for text in texts)
        self._write(f"{self._start()}{drawn}{_CLEAR_BELOW}")
        self._height = len(texts)

    def _start(self) -> str:
        return "\r" + _UP.format(self._height) if self._height else "\r"

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def _text(name: str, line: _Line, verb: str, columns: int) -> str:
    """`5f70bf18a086: Pushing [====>      ]  1.2MB/3.4MB`"""
    if not line.done and not line.total:
        return f"{name}: {line.state}"[:columns]
    total = max(line.total, line.done)
    amount = f"{human_size(line.done)}/{human_size(total)}" if line.total else human_size(line.done)
    width = min(_BAR, columns - len(name) - len(verb) - len(amount) - 8)
    if width < 5 or not line.total:
        return f"{name}: {verb} {amount}"[:columns]
    filled = width * line.done // total if total else 0
    bar = "=" * filled + (">" if filled < width else "")
    return f"{name}: {verb} [{bar:{width}}]  {amount}"


def _is_layer(name: str) -> bool:
    return len(name) == 12 and not name.strip("0123456789abcdef")


def _size(out: TextIO) -> tuple[int, int]:
    try:
        size = os.get_terminal_size(out.fileno())
    except (OSError, ValueError):
        return 80, 24
    return size.columns or 80, size.lines or 24
