"""What long work reports while it goes on. The library is silent: it only calls an Observer.

An Observer is called from whatever thread does the work, must be quick, and must not raise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

EXACT = "exact"  # a rule of reuse (see graph.rules): the step has the same key, on the same layers


class StepStarted(NamedTuple):
    """A step of a build begins to be worked on (its cache is looked up first)."""

    step: int  # position over all planned steps, from 1
    total: int
    stage: str  # name of the stage, "" when it has none and is the only one
    text: str  # the instruction as the user wrote it, on one line
    line: int  # in the Dockerfile, from 1
    place: int  # position among the steps of its stage, from 1
    places: int  # how many steps the stage has


class StepCached(NamedTuple):
    """The step was reused; nothing ran."""

    step: int
    diff_id: str  # "" for a step that makes no layer
    rule: str = ""  # by which it was reused (graph.rules); "" for a FROM
    origin: str = ""  # the shared cache that it came from; "" for this store


class StepOutput(NamedTuple):
    """The process of a step wrote these bytes."""

    step: int
    data: bytes
    stderr: bool


class StepFinished(NamedTuple):
    """The step ran to its end."""

    step: int
    seconds: float
    diff_id: str  # "" for a step that makes no layer
    size: int  # bytes in the files of the layer


class StepFailed(NamedTuple):
    """The step ended the build."""

    step: int
    seconds: float
    message: str


class Progress(NamedTuple):
    """Bytes moved by a transfer or a scan: `done` of `total` (0 where not known)."""

    what: str
    done: int
    total: int


class Notice(NamedTuple):
    """Something that a person would want to know, and that stops nothing."""

    text: str


Event = StepStarted | StepCached | StepOutput | StepFinished | StepFailed | Progress | Notice
Observer = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The Observer for callers that want none."""


def silent(event: Event) -> None:
    """The Observer for -q; with `ignore` whoever opened the Engine is told of layers that it fetches."""
