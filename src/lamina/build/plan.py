"""BuildPlan: what a build would do, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lamina.graph.reason import Reason

FROM, PULL = "from", "pull"  # what FROM is there for, or would be
REUSE, RUN, UNKNOWN = "reuse", "run", "unknown"


class PlannedStep(NamedTuple):
    """What a build would do about one step.

    `status` is reuse (`rule` says by which rule), run, unknown (not known yet), and for FROM from, or pull
    when its image is not in the store. `reason` says why it would be run, or what it waits for. `seconds` is
    how long it took the last time that it was done, None where that is not known. `like` is a step before it
    that is the very same one, and would be done once for both, 0 for none.
    """

    number: int
    stage: str
    text: str
    line: int
    place: int  # in its stage, from 1
    places: int
    status: str
    rule: str = ""
    reason: Reason | None = None
    seconds: float | None = None
    like: int = 0


class BuildPlan(NamedTuple):
    """What a build would do, in the order of its steps; `notes` are what a build would warn of, and more."""

    dockerfile: str  # its name
    steps: tuple[PlannedStep, ...]
    notes: tuple[str, ...]
    pulls: tuple[str, ...] = ()  # the images that would be pulled

    def count(self, status: str) -> int:
        """How many steps have this status."""
        return sum([step.status == status for step in self.steps])

    @property
    def seconds(self) -> float:
        """How long what would be run took the last time, as far as that is known."""
        return sum([step.seconds or 0.0 for step in self.steps if step.status == RUN])

    @property
    def untimed(self) -> int:
        """How many steps would be run of which it is not known how long they take."""
        return sum([step.status == RUN and step.seconds is None for step in self.steps])
