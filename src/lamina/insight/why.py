"""Why each step of a build was done, or by which rule it was reused: what its record says."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import cachedb, names, recorded
from lamina.errors import Conflict, InvalidInput, NotFound
from lamina.graph.reason import parse
from lamina.insight.builds import build as build_of

if TYPE_CHECKING:
    from lamina.graph.reason import Reason
    from lamina.insight.builds import BuildSummary, StepSummary
    from lamina.insight.rows import Rows

_OWN = ("text", "arg", "env", "option")  # kinds of changes that no step above brings about
DONE = ("run", "failed", "canceled", "running", "interrupted")  # statuses of steps that had to be done


class StepWhy(NamedTuple):
    """One step. `reason` is None for a step that was reused, and where none is recorded."""

    step: StepSummary
    rule: str  # by which it was reused (graph.rules); "" for a FROM, and in records of older versions
    reason: Reason | None
    saved: float | None  # seconds that the reuse saved: what the step took when it was done; None: not known
    like: int = 0  # the step of this build that is the very same one and was done for both, 0 for none


class Why(NamedTuple):
    """A build. `causes` are the numbers of those steps that were done for what is no step's doing."""

    build: BuildSummary
    steps: tuple[StepWhy, ...]
    causes: tuple[int, ...]


def why(rows: Rows, ref: str = "") -> Why:
    """Of a build (as insight.builds.build), or the newest that made an image. NotFound, Conflict."""
    detail = build_of(rows, _build_id(rows, ref))
    reasons = {step.step: step for step in recorded.steps(rows.connection, detail.build.id)}
    done = {step.key: step.number for step in detail.steps if step.key and step.status in DONE}
    steps = []
    for step in detail.steps:
        row = reasons[step.number]
        saved = _saved(rows, step) if step.status == "cached" else None
        like = done.get(step.key, 0) if step.status == "cached" else 0
        steps.append(StepWhy(step, row.rule, parse(row.reason) if row.reason else None, saved, like))
    return Why(detail.build, tuple(steps), causes(steps))


def causes(steps: list[StepWhy]) -> tuple[int, ...]:
    """The steps that were done, less those that were done only because of what one above them did."""
    done = {each.step.number for each in steps if each.step.status in DONE or each.like}
    found = []
    for each in steps:
        changes = each.reason.changes if each.reason is not None else ()
        is_own = any(change.kind in _OWN for change in changes)
        if each.step.status in DONE and (is_own or not any(change.step in done for change in changes)):
            found.append(each.step.number)
    return tuple(found)


def _saved(rows: Rows, step: StepSummary) -> float | None:
    if step.place == 1 or not step.key:
        return None
    row = cachedb.get_step(rows.connection, step.key)
    return row.seconds if row is not None else None


def _build_id(rows: Rows, ref: str) -> str:
    c = rows.connection
    if not ref or recorded.names_build(c, ref):
        return ref
    try:
        image_id = names.resolve_image(c, ref).image_id
    except (NotFound, Conflict, InvalidInput) as error:
        if isinstance(error, Conflict):
            raise
        raise NotFound(f"No such build or image: {ref}", hint="`lamina build ls` lists the builds") from None
    found = recorded.making(c, image_id)
    if found is None:
        raise NotFound(
            f"no build of image {ref} is recorded", hint="it came from elsewhere, or its record was removed"
        )
    return found
