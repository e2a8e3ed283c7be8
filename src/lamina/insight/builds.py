"""Records of builds: what was built, when, how it went, and each step of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import recorded
from lamina.store.lease import alive

if TYPE_CHECKING:
    from lamina.db.recorded import Build, BuildStep
    from lamina.insight.rows import Rows


class BuildSummary(NamedTuple):
    """One build. Empty strings and 0 stand for what is not known, or not there."""

    id: str
    status: str  # running, completed, error, canceled, or interrupted: its process died
    name: str  # the context's folder, with the Dockerfile and the target where those are not the usual ones
    started: str  # RFC 3339
    seconds: float  # 0 while it runs
    dockerfile: str
    context: str
    target: str
    tags: tuple[str, ...]
    image_id: str
    error: str
    error_line: int  # in the Dockerfile, from 1
    total: int  # steps, also those that were not reached
    cached: int
    run: int
    log_bytes: int


class StepSummary(NamedTuple):
    """One step."""

    number: int  # over all steps of the build, from 1
    stage: str
    text: str
    line: int
    place: int  # in its stage, from 1
    places: int
    status: str  # cached, run, failed, canceled, running, interrupted, not reached
    began: float  # seconds after the build began
    seconds: float
    diff_id: str  # "" for a step that made no layer
    size: int | None  # bytes in the files of its layer; None where that is not known
    key: str
    kept: bool  # it failed, and `run --failed` starts in what it left
    rule: str = ""  # by which it was reused (graph.rules)
    origin: str = ""  # the shared cache that what was reused came from; "" for this store


class BuildDetail(NamedTuple):
    """A build with its steps."""

    build: BuildSummary
    steps: tuple[StepSummary, ...]


def builds(rows: Rows) -> list[BuildSummary]:
    """All builds, the newest first."""
    return [_summary(rows, build) for build in recorded.builds(rows.connection)]


def build(rows: Rows, ref: str = "") -> BuildDetail:
    """One build by its ID (or the beginning of it), `^N`, or "" for the last one. NotFound, Conflict."""
    found = recorded.find(rows.connection, ref)
    summary = _summary(rows, found)
    steps = recorded.steps(rows.connection, found.id)
    return BuildDetail(summary, tuple([_step(step, summary.status) for step in steps]))


def _summary(rows: Rows, build: Build) -> BuildSummary:
    status, seconds, cached, run = build.status, build.seconds, build.cached, build.run
    if status == recorded.RUNNING and not alive(rows.layout, build.lease):
        status = recorded.INTERRUPTED
    if status in (recorded.RUNNING, recorded.INTERRUPTED):  # only the steps were written since it began
        steps = recorded.steps(rows.connection, build.id)
        seconds = max([step.began + step.seconds for step in steps], default=0.0)
        states = [step.status for step in steps]
        cached, run = states.count("cached"), states.count("run")
    return BuildSummary(
        build.id,
        status,
        _name(build),
        build.started,
        seconds,
        build.dockerfile,
        build.context,
        build.target,
        tuple(build.tags.split("\n")) if build.tags else (),
        build.image_id,
        build.error,
        build.error_line,
        build.total,
        cached,
        run,
        build.log_bytes,
    )


def _name(build: Build) -> str:
    """`app`, `app/Other.dockerfile`, `app (stage)`."""
    name = build.context.rstrip("/").rpartition("/")[2] or "-"
    if build.dockerfile != "Dockerfile":
        name = f"{name}/{build.dockerfile}"
    return f"{name} ({build.target})" if build.target else name


def _step(step: BuildStep, build_status: str) -> StepSummary:
    interrupted = step.status == "running" and build_status == recorded.INTERRUPTED
    return StepSummary(
        step.step,
        step.stage,
        step.text,
        step.line,
        step.place,
        step.places,
        "interrupted" if interrupted else step.status,
        step.began,
        step.seconds,
        step.diff_id,
        step.size,
        step.key,
        bool(step.kept),
        step.rule,
        step.origin,
    )
