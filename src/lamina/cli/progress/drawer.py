"""Drawer: what every kind of progress can do, and the choice among them."""

from __future__ import annotations

import os
import sys
import time
from _thread import allocate_lock  # threading itself costs 2 ms at start-up
from typing import TYPE_CHECKING, TextIO

from lamina.cli.progress.steps import Step, Steps
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.events import Event

KINDS = ("auto", "none", "plain", "quiet", "rawjson", "tty")


class Drawer:
    """Takes a build's events from any thread. This one only keeps the record: --progress quiet and none."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.steps = Steps(time.monotonic())
        self.lock = allocate_lock()

    def __call__(self, event: Event) -> None:
        """The Observer that the Engine is given."""
        with self.lock:
            lines = self.steps.apply(event, time.monotonic())
            self.draw(event, lines)

    def draw(self, event: Event, lines: list[tuple[float, str]]) -> None:
        """Shows one event; called with the lock held."""

    def succeeded(self, results: Sequence[str]) -> None:
        """The build is done; `results` are lines like `writing image sha256:…`."""

    def failed(self) -> Step | None:
        """The build ended early. Returns the step at fault where one is, for the report."""
        with self.lock:
            self.steps.stop(time.monotonic())
            self.ended()
        return self.steps.failed()

    def ended(self) -> None:
        """Takes down what a failed build has on the screen; called with the lock held."""


def choose(kind: str, out: TextIO | None = None) -> Drawer:
    """The Drawer for --progress KIND. InvalidInput for another word."""
    out = out or sys.stderr
    if kind == "auto":
        kind = "tty" if out.isatty() and os.environ.get("TERM") != "dumb" else "plain"
    if kind in ("quiet", "none"):
        return Drawer(out)
    if kind == "plain":
        from lamina.cli.progress.plain import Plain  # one of the two is enough

        return Plain(out)
    if kind == "tty":
        from lamina.cli.progress.terminal import Terminal  # see above

        return Terminal(out)
    if kind == "rawjson":
        from lamina.cli.progress.rawjson import RawJson  # see above

        return RawJson(out)
    raise InvalidInput(f"invalid progress mode {kind!r}", hint=f"one of {', '.join(KINDS)}")
