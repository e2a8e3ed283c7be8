"""The picture of a build in a terminal: a line for each step with its time, and its last lines of output."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from lamina.cli.progress.steps import cached

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.cli.progress.steps import Step, Steps

_SHOWN = 6  # lines of output below a running step
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-Z\\-_]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Line(NamedTuple):
    """One line of the picture; `style` is "", blue, red or dim."""

    text: str
    style: str


def picture(steps: Steps, now: float, width: int, height: int) -> list[Line]:
    """The lines while a build goes on, at most `height`: the oldest steps give way."""
    lines = [_header(steps, now, "")]
    body: list[Line] = _moving(steps)
    for step in list(steps.steps.values()):  # another thread adds to it
        body.append(_line(step, now, width))
        if step.state == "running":
            body += _tail(step, width)
    room = max(height - 2, 1)
    return lines + body[-room:]


def final(steps: Steps, now: float, width: int, results: Sequence[str]) -> list[Line]:
    """The lines that stay when the build has ended."""
    word = " FINISHED" if not steps.count("failed", "stopped") else ""
    lines = [_header(steps, now, word)]
    lines += [_line(step, now, width) for step in steps.steps.values()]
    return lines + [Line(f" => => {result}"[:width], "blue") for result in results]


def _header(steps: Steps, now: float, word: str) -> Line:
    ended = steps.count("cached", "done", "failed")
    return Line(f"[+] Building {now - steps.began:.1f}s ({ended}/{steps.total}){word}", "")


def _moving(steps: Steps) -> list[Line]:
    """How far that is which is on its way from elsewhere, or to a registry."""
    if not steps.moving:
        return []
    from lamina.cli.units import human_size  # few builds fetch anything

    lines = []
    for word in ("receiving", "pushing"):
        sent = word == "pushing"
        moving = [far for what, far in list(steps.moving.items()) if what.startswith("pushing ") == sent]
        if moving:
            done, total = map(sum, zip(*moving, strict=True))
            whole = f" / {human_size(total)}" if total else ""
            lines.append(Line(f" => {word} {human_size(done)}{whole}", ""))
    return lines


def _line(step: Step, now: float, width: int) -> Line:
    seconds = now - step.began if step.state == "running" else step.seconds
    words = {"cached": f"{cached(step.rule, step.origin)} ", "failed": "ERROR ", "stopped": "CANCELED "}
    styles = {"cached": "blue", "done": "blue", "failed": "red", "stopped": "dim"}
    clock = f" {seconds:.1f}s"
    left = clean(f" => {words.get(step.state, '')}{step.title}")
    room = max(width - len(clock) - 1, 10)
    if len(left) > room:
        left = left[: room - 3] + "..."
    return Line(left.ljust(room) + clock, styles.get(step.state, ""))


def _tail(step: Step, width: int) -> list[Line]:
    shown = [line for _, line in list(step.tail)[-_SHOWN:]]
    return [Line(f" => => # {clean(line)}"[: width - 1], "dim") for line in shown]


def clean(text: str) -> str:
    """Text without escape sequences and control characters, so that it stays on its line."""
    return _CONTROL.sub("", text.replace("\t", "    "))
