"""Plain progress, as BuildKit prints it: `#5 [2/4] RUN make`, `#5 0.123 output`, `#5 DONE 0.2s`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from lamina.cli.progress.drawer import Drawer
from lamina.cli.progress.steps import cached
from lamina.dockerfile.source import printable
from lamina.events import Event, Notice, Progress, StepCached, StepFailed, StepFinished, StepStarted

if TYPE_CHECKING:
    from collections.abc import Sequence

_TITLE = 72  # characters of a title that is shown again


class Plain(Drawer):
    """Lines that are never redrawn; steps that run side by side take turns, each under its title."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self._current = 0
        self._shown: set[int] = set()

    def draw(self, event: Event, lines: list[tuple[float, str]]) -> None:
        if isinstance(event, Progress):
            return
        if isinstance(event, Notice):
            self._leave()
            self.out.write(f"{printable(event.text)}\n\n")
            return
        step = event.step
        if step not in self.steps.steps:
            return
        ends = isinstance(event, StepCached | StepFinished | StepFailed)
        if lines or ends or isinstance(event, StepStarted):
            self._turn_to(step)
        for at, line in lines:
            self.out.write(f"#{step} {at:.3f} {line}\n")
        if ends:
            self.out.write(_ending(event) + "\n")
            self._current = 0
        self.out.flush()

    def _turn_to(self, step: int) -> None:
        """Shows the title of `step`, unless its lines are what is being printed."""
        if self._current == step:
            return
        self._leave()
        title = printable(self.steps.steps[step].title)
        if step in self._shown and len(title) > _TITLE:
            title = title[: _TITLE - 3] + "..."
        self.out.write(f"#{step} {title}\n")
        self._shown.add(step)
        self._current = step

    def _leave(self) -> None:
        """Says that the step before is not at its end."""
        if self._current:
            self.out.write(f"#{self._current} ...\n\n")
            self._current = 0

    def succeeded(self, results: Sequence[str]) -> None:
        number = self.steps.total + 1
        lines = ["exporting to image", *(f"{result} done" for result in results), "DONE"]
        self.out.write("".join(f"#{number} {line}\n" for line in lines))
        self.out.write(f"\n{self.steps.summary()}\n")
        self.out.flush()


def _ending(event: Event) -> str:
    if isinstance(event, StepFinished):
        return f"#{event.step} DONE {event.seconds:.1f}s\n"
    if isinstance(event, StepFailed):
        return f"#{event.step} ERROR: {printable(event.message)}\n"
    assert isinstance(event, StepCached)
    return f"#{event.step} {cached(event.rule, event.origin)}\n"
