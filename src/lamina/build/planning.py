"""plan: what a build would reuse, by which rule, and what it would do and why. Nothing is changed, or run.

COPY, ADD and WORKDIR that would be done are worked out in memory, so that the steps after them are judged as
the build would judge them. What comes after a RUN that would run is not known yet.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, cast

from lamina.build.build import plans_of
from lamina.build.copying import copied, lookup_below, made_folders
from lamina.build.earlier import earlier_of
from lamina.build.errors import Swept
from lamina.build.plan import FROM, PULL, REUSE, RUN, UNKNOWN, BuildPlan, PlannedStep
from lamina.build.planrun import (
    PlannedContexts,
    PlannedRun,
    PlannedSession,
    Shared,
    Waiting,
    stands_on_nothing,
)
from lamina.build.reasons import explain
from lamina.build.records import Recorder
from lamina.db import cachedb
from lamina.db.cachedb import Ingredient, Step
from lamina.db.traces import Trace
from lamina.errors import LaminaError
from lamina.events import Notice
from lamina.graph import reason as reasons
from lamina.graph.ops import CopyOp, RunOp
from lamina.graph.reason import Reason
from lamina.graph.rules import EXACT
from lamina.layers.readsets import Observing
from lamina.oci import reference as references
from lamina.tree.readset import pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import BinaryIO

    from lamina.build.request import BuildRequest
    from lamina.build.stagerun import Work
    from lamina.db.layerdb import Diff
    from lamina.events import Event, StepStarted
    from lamina.layers.planned import PlannedLayers
    from lamina.oci.platform import Platform
    from lamina.registry.settings import Settings

_ATTEMPTS = 3  # when others remove what the cache has while we plan


def plan(
    ctx: PlannedLayers,
    request: BuildRequest,
    platform: Platform,
    registries: Callable[[], Settings] | None = None,
    approve: Callable[[BuildRequest], None] | None = None,
) -> BuildPlan:
    """What `build` would do with this request now.

    `approve` and `registries` are as for build. DockerfileError and others for what would end the build
    before anything is done; Unsupported for a context or Dockerfile that would have to be fetched.
    """
    attempts = _ATTEMPTS
    while True:
        try:
            return _plan(ctx, request, platform, registries, approve)
        except Swept:
            attempts -= 1
            if not attempts:
                raise


def _plan(
    ctx: PlannedLayers,
    request: BuildRequest,
    platform: Platform,
    registries: Callable[[], Settings] | None,
    approve: Callable[[BuildRequest], None] | None,
) -> BuildPlan:
    notes: list[str] = []

    def saw(event: Event) -> None:
        if isinstance(event, Notice):
            notes.append(event.text)

    recorder = Recorder(ctx, request, saw)  # which only listens: it is not told to begin
    with ExitStack() as resources:
        contexts = PlannedContexts(ctx, request, platform, saw, _no_root)
        resources.callback(contexts.close)
        request = contexts.begin()
        if approve is not None:
            approve(request)
        for tag in request.tags:
            references.parse_tagged(tag)  # InvalidInput, as in a build
        if request.cache_from:
            notes.append("[Warning] a plan asks no shared cache: steps may be found in those of --cache-from")
        session: PlannedSession | None = None
        for one in plans_of(request, platform, contexts.names, saw):
            session = PlannedSession(ctx, request, one, contexts, recorder, registries, session)
            _Planner(session, resources).run()
    assert session is not None, "a build is for one platform at least"
    steps = [session.found[number] for number in sorted(session.found)]
    return BuildPlan(request.dockerfile_name, tuple(steps), tuple(notes), tuple(session.pulls))


def _no_root() -> None:
    raise AssertionError("a plan needs no rights")


class _Planner:
    """One platform's stages, each after those that it needs."""

    def __init__(self, session: PlannedSession, resources: ExitStack) -> None:
        self._session = session
        self._resources = resources
        stages = session.plan.stages
        self._runs = {number: PlannedRun(session, stages[number], self._reused) for number in session.needed}

    def run(self) -> None:
        """Finds out about all steps."""
        for run in self._runs.values():
            self._begin(run)
            while not run.done:
                try:
                    work = run.find_work(self._runs)
                    if work is not None:
                        self._judge(run, work)
                except Waiting as waiting:
                    self._unknown(run, waiting)

    def _begin(self, run: PlannedRun) -> None:
        first = run.number
        if run.stage.parent is not None:
            run.inherit(self._runs[run.stage.parent])
        try:
            if not run.blind:
                run.begin(self._runs)
                if not run.stage.context:
                    self._note(first, FROM)
                return
        except Waiting as waiting:
            run.waits, run.blind = (first,), True
            self._note(first, PULL, reason=Reason(reasons.UNKNOWN_YET, doubt=waiting.why))
        else:
            self._note(first, FROM)
        self._skip(run, first)

    def _skip(self, run: PlannedRun, first: int) -> None:
        """All steps of a stage of whose base nothing is known."""
        run.done = True
        for number in range(first + 1, first + self._session.counts[run.stage.number]):
            self._note_waiting(run, number, Reason(reasons.UNKNOWN_YET, waits_for=run.waits))

    def _note_waiting(self, run: PlannedRun, number: int, reason: Reason) -> None:
        """A step of whose layers below nothing is known: whether it would be done, only --no-cache says."""
        seconds = self._last_time(number)
        if run.no_cache:
            self._note(number, RUN, reason=self._uncached, seconds=seconds)
        else:
            self._note(number, UNKNOWN, reason=reason, seconds=seconds)

    @property
    def _uncached(self) -> Reason:
        return Reason(reasons.NO_CACHE if self._session.request.no_cache else reasons.NO_CACHE_FILTER)

    def _last_time(self, number: int) -> float | None:
        """How long a step took that cannot be sought by what it depends on: as the last build recorded it."""
        record = earlier_of(self._session).record_like(number)
        step = cachedb.get_step(self._session.ctx.db.read(), record.key) if record and record.key else None
        return step.seconds if step is not None else None

    def _judge(self, run: PlannedRun, work: Work) -> None:
        """What would become of a step. Waiting."""
        shared = self._session.shared.get(work.key.digest)
        if shared is not None:
            self._same(run, work, shared)
        elif not run.find_cached():
            self._done(run, work)

    def _same(self, run: PlannedRun, work: Work, shared: Shared) -> None:
        """A step that another stage has as well: it is done once."""
        first = self._session.found[shared.number]
        if first.status == RUN:
            self._note(work.number, REUSE, EXACT, seconds=first.seconds, like=first.number)
        else:
            self._note(
                work.number, first.status, reason=first.reason, seconds=first.seconds, like=first.number
            )
        run.wait(work.key.digest, {*run.waits, *shared.waits})

    def _reused(self, work: Work, rule: str, step: Step | None) -> None:
        self._note(work.number, REUSE, rule, seconds=step.seconds if step else None)

    def _done(self, run: PlannedRun, work: Work) -> None:
        """A step that would be done: its layer, where it can be told without doing it."""
        if run.no_cache and run.waits:
            self._note_waiting(run, work.number, self._uncached)
        else:
            reason = explain(run, work, run.miss)
            self._note(work.number, RUN, reason=reason, seconds=reason.seconds)
        elsewhere = isinstance(work.op, CopyOp) and work.op.remotes
        if isinstance(work.op, RunOp) or elsewhere or (run.waits and not stands_on_nothing(work.op)):
            self._wait(run, work, {*run.waits, work.number})
            return
        try:
            diff = self._made(run, work)
        except LaminaError as error:
            if hasattr(error, "line") or isinstance(error, Swept):
                raise
            raise self._session.locate(work.instruction, error) from None
        top = self._session.ctx.stack(run.top, diff, work.created_by, "")
        self._session.fresh.update(key.digest for key in (work.key, work.alias) if key is not None)
        run.take(diff.diff_id, "", top)

    def _made(self, run: PlannedRun, work: Work) -> Diff:
        """The layer of a COPY, ADD or WORKDIR, which seems to have been done from now on. InvalidInput."""
        ctx, op = self._session.ctx, work.op
        if isinstance(op, CopyOp):
            below = lookup_below(run, op)
            items = copied(run, work, below, self._spool())
        else:
            below = Observing(ctx, run.chain())
            items = made_folders(run, work, below)
        diff = ctx.add(items, below)
        recipe = run.miss.recipe if run.miss else ""
        parent = run.top.chain_id if run.top else ""
        row = Step(
            work.key.digest, diff.diff_id, (), work.created_by, "", 0.0, recipe, parent, "", time.time()
        )
        for key in (work.key, work.alias):
            if key is not None:
                parts = tuple([Ingredient(*part) for part in (*key.ingredients, *key.listing)])
                ctx.db.add_step(row._replace(key=key.digest, ingredients=parts))
        if recipe:
            seen = below.read_set()
            ctx.db.add_trace(Trace(recipe, diff.diff_id, parent, row.key, len(seen.observed), pack(seen)))
        return diff

    def _spool(self) -> BinaryIO:
        """What archives hold that ADD unpacks, for as long as the plan is made."""
        return cast("BinaryIO", self._resources.enter_context(tempfile.TemporaryFile()))

    def _unknown(self, run: PlannedRun, waiting: Waiting) -> None:
        """A step of which it cannot be told whether it would be done."""
        number, work = run.number, run.work
        steps = tuple(sorted({*waiting.steps, *(() if run.is_linked else run.waits)}))
        self._note_waiting(run, number, Reason(reasons.UNKNOWN_YET, doubt=waiting.why, waits_for=steps))
        waits = {*run.waits, *steps, *([number] if waiting.why or run.no_cache else [])}
        if work is None:
            run.wait(f"step {number}", waits)
        else:
            self._wait(run, work, waits)

    def _wait(self, run: PlannedRun, work: Work, waits: Iterable[int]) -> None:
        shared = Shared(work.number, tuple(waits))
        self._session.shared[work.key.digest] = shared
        if work.alias is not None:
            self._session.shared[work.alias.digest] = shared
        run.wait(work.key.digest, shared.waits)

    def _note(
        self,
        number: int,
        status: str,
        rule: str = "",
        *,
        reason: Reason | None = None,
        seconds: float | None = None,
        like: int = 0,
    ) -> None:
        start: StepStarted = self._session.record.steps[number].start
        self._session.found[number] = PlannedStep(
            number, start.stage, start.text, start.line, start.place, start.places,
            status, rule, reason, seconds, like,
        )  # fmt: skip
