"""Steps: what is known of a build's steps so far, from its events. Draws nothing."""

from __future__ import annotations

from collections import deque

from lamina.events import (
    EXACT,
    Event,
    Notice,
    Progress,
    StepCached,
    StepFailed,
    StepFinished,
    StepOutput,
    StepStarted,
)

TAIL = 20  # lines of output that are kept of each step, for the failure report
_LONGEST = 1 << 16  # bytes of a line; one that is longer counts as several


class Step:
    """One step; `state` is running, cached, done, failed or stopped (another step failed first)."""

    __slots__ = ("began", "origin", "partial", "rule", "seconds", "start", "state", "tail")

    def __init__(self, start: StepStarted, began: float) -> None:
        self.start = start
        self.began = began
        self.state = "running"
        self.rule = ""  # by which it was reused
        self.origin = ""  # the shared cache that it came from
        self.seconds = 0.0
        self.partial = b""
        self.tail: deque[tuple[float, str]] = deque(maxlen=TAIL)  # seconds since it began, a line

    @property
    def title(self) -> str:
        """`[2/4] RUN make` or `[base 2/4] RUN make`."""
        start = self.start
        stage = f"{start.stage} " if start.stage else ""
        return f"[{stage}{start.place}/{start.places}] {start.text}"

    def output(self, data: bytes, at: float) -> list[tuple[float, str]]:
        """Takes bytes in, and returns the lines that they complete."""
        *whole, self.partial = (self.partial + data).split(b"\n")
        if len(self.partial) > _LONGEST:  # or a step that writes no newlines takes ever longer
            whole.append(self.partial)
            self.partial = b""
        return self._keep(whole, at)

    def rest(self, at: float) -> list[tuple[float, str]]:
        """The last line, where no newline ended it."""
        partial, self.partial = self.partial, b""
        return self._keep([partial] if partial else [], at)

    def _keep(self, lines: list[bytes], at: float) -> list[tuple[float, str]]:
        # A carriage return draws over the line, so only what stands after the last one is seen.
        shown = [line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace") for line in lines]
        kept = [(at - self.began, line) for line in shown]
        self.tail.extend(kept)
        return kept


def cached(rule: str, origin: str) -> str:
    """How a step that was reused is shown: with the rule, unless that is the plain one, and where from."""
    words = [rule if rule != EXACT else "", f"from {origin}" if origin else ""]
    said = ", ".join(filter(None, words))
    return f"CACHED ({said})" if said else "CACHED"


class Steps:
    """All steps of one build, by their number."""

    def __init__(self, now: float) -> None:
        self.began = now
        self.steps: dict[int, Step] = {}
        self.notices: list[str] = []
        self.moving: dict[str, tuple[int, int]] = {}  # what is on its way: bytes done, and all

    def apply(self, event: Event, now: float) -> list[tuple[float, str]]:
        """Takes one event in; returns the lines of output that it completes, with their time in the step."""
        if isinstance(event, StepStarted):
            self.steps[event.step] = Step(event, now)
            return []
        if isinstance(event, Notice):
            self.notices.append(event.text)
            return []
        if isinstance(event, Progress):
            self.moving[event.what] = (event.done, event.total)
            if event.done >= event.total > 0:
                del self.moving[event.what]
            return []
        step = self.steps.get(event.step)
        if step is None:
            return []
        if isinstance(event, StepOutput):
            return step.output(event.data, now)
        return self._end(step, event, now)

    def _end(
        self, step: Step, event: StepCached | StepFinished | StepFailed, now: float
    ) -> list[tuple[float, str]]:
        if isinstance(event, StepCached):
            step.state, step.rule, step.origin = "cached", event.rule, event.origin
            return []
        step.state = "done" if isinstance(event, StepFinished) else "failed"
        step.seconds = event.seconds
        return step.rest(now)

    def stop(self, now: float) -> None:
        """The build ended: what still ran is stopped."""
        for step in self.steps.values():
            if step.state == "running":
                step.state = "stopped"
                step.seconds = now - step.began
                step.rest(now)

    def count(self, *states: str) -> int:
        """How many steps are in one of these states."""
        return sum(step.state in states for step in self.steps.values())

    @property
    def total(self) -> int:
        """How many steps were planned, as far as known."""
        return max((step.start.total for step in self.steps.values()), default=0)

    def failed(self) -> Step | None:
        """The step that ended the build."""
        return next((step for step in self.steps.values() if step.state == "failed"), None)

    def summary(self) -> str:
        """`3 steps reused, 1 run`."""
        reused, ran = self.count("cached"), self.count("done")
        return f"{reused} {'step' if reused == 1 else 'steps'} reused, {ran} run"
