"""StageRun: how far one stage has come, and the next step that it has to take."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from lamina.build.errors import Swept
from lamina.build.sources import copy_sources
from lamina.db import cachedb
from lamina.dockerfile import Copy
from lamina.errors import Cancelled, LaminaError
from lamina.events import EXACT, StepCached, StepFailed
from lamina.graph import stages
from lamina.graph.advance import advance
from lamina.graph.copies import context_op
from lamina.graph.ingredients import copy_from_key, copy_key, pinned_key, run_key, workdir_key
from lamina.graph.ops import CopyOp, RunOp
from lamina.graph.state import from_image, from_scratch, from_stage
from lamina.oci.digest import chain_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.build.mountsources import MountSource
    from lamina.build.request import BuildRequest
    from lamina.build.reuse import Miss
    from lamina.build.session import Session
    from lamina.build.sources import CopySources
    from lamina.db.cachedb import Step
    from lamina.db.layerdb import Layer
    from lamina.dockerfile import Instruction
    from lamina.graph.key import CacheKey
    from lamina.graph.ops import Op, SourceRef
    from lamina.graph.stages import Stage
    from lamina.graph.state import StageState
    from lamina.layers.lookup import Lookup
    from lamina.oci.digest import DiffID


class Work(NamedTuple):
    """A step that makes a layer, and what it depends on; `sources` and `owner` are COPY's and WORKDIR's.

    `alias` names the same step in a way that is quicker to find out (COPY --from). `mounts` are what the
    mounts of a RUN show.
    """

    number: int
    instruction: Instruction
    op: Op
    created_by: str
    key: CacheKey
    sources: CopySources | None = None
    owner: tuple[int, int] | None = None
    alias: CacheKey | None = None
    mounts: tuple[MountSource, ...] = ()


def is_uncached(request: BuildRequest, stage: Stage) -> bool:
    """Whether --no-cache, or --no-cache-filter with the name of this stage, keeps it from the cache."""
    wanted = request.no_cache_filter
    return request.no_cache or bool(wanted and stage.name and stage.name.lower() in map(str.lower, wanted))


class StageRun:
    """One stage in the making. `state` is after the last finished step, `top` its uppermost layer.

    `work` is the step that is to be done next, once `find_work` has found one. `miss` says why it has to be,
    once nothing was found to reuse: from find_cached until the step is taken.
    """

    def __init__(self, session: Session, stage: Stage) -> None:
        self.session = session
        self.stage = stage
        self.state: StageState
        self.top: Layer | None = None
        self.begun = False
        self.done = False
        self.work: Work | None = None
        self.miss: Miss | None = None
        self._position = 0
        self._prelude = False  # the files of a further context, which FROM begins with, are to be laid
        request = session.request
        self.no_cache = is_uncached(request, stage)
        # Whether there may be rows that do not count, though the key is the same.
        self._choosy = bool(
            request.rules_off or request.verify or request.cache_ttl is not None or session.contexts.lost
        )
        self._number = session.first_step[stage.number]

    def begin(self, others: Mapping[int, StageRun]) -> None:
        """FROM: takes over the image or the stage that this one starts from."""
        stage, session, named = self.stage, self.session, ""
        session.started(self._number, stage, stage.source)
        if stage.parent is not None:
            parent = others[stage.parent]
            self.state, self.top = from_stage(parent.state), parent.top
        elif stage.base == stages.SCRATCH or stage.context:
            self.state = from_scratch(session.plan.scope)
            self._prelude = bool(stage.context)
        else:
            base = session.base(stage.base, stage.source, stage.platform)
            scope = session.scope_of(stage, base.config.platform)
            self.state, self.top = from_image(scope, base.config), base.top
            named = f"{stage.base}@{base.index_digest or base.image_id}"
        self.begun = True
        if self._prelude:
            return
        session.observer(StepCached(self._number, ""))
        session.record.reached(self._number, self.state, self.top.chain_id if self.top else "", named=named)

    def find_work(self, others: Mapping[int, StageRun]) -> Work | None:
        """Goes over instructions that only write the config, up to the next step that makes a layer.

        None when the stage is done. `others` are the stages that this one copies from, all done.
        """
        if self._prelude:
            self._prelude = False
            self._attempt(self.stage.source, lambda: self._lay_context(others))
        while self.work is None and self._position < len(self.stage.instructions):
            instruction = self.stage.instructions[self._position]
            self._position += 1
            self._attempt(instruction, partial(self._take, instruction, others))
        self.done = self.work is None
        return self.work

    def _attempt(self, instruction: Instruction, call: Callable[[], None]) -> None:
        """Does something for an instruction; an error gets its place in the Dockerfile."""
        try:
            call()
        except LaminaError as error:
            if hasattr(error, "line") or isinstance(error, Cancelled | Swept):
                raise
            raise self.session.locate(instruction, error, at=getattr(error, "at", None)) from None

    def _lay_context(self, others: Mapping[int, StageRun]) -> None:
        """What FROM a further context that is files begins with: all of them, as one step."""
        op, created_by = context_op(self.stage.context)
        self.work = self._prepare(self.stage.source, op, created_by, others)

    def _take(self, instruction: Instruction, others: Mapping[int, StageRun]) -> None:
        def find(name: str) -> SourceRef:
            flag = "--from" if isinstance(instruction, Copy) else "from"
            index = self.stage.number
            ref = stages.find_source(self.session.plan, index, instruction, name, f"{flag}={name}")
            return self.session.contexts.settle(ref, self.stage.platform) if ref.context else ref

        state, created_by, op = advance(self.state, instruction, find)
        self.state = state
        if op is None:
            at = instruction.source.start_line
            self.state = state.add_history(created_by, at=at) if created_by else state
            return
        self._number += 1
        self.session.started(self._number, self.stage, instruction)
        try:
            self.work = self._prepare(instruction, op, created_by, others)
        except LaminaError as error:
            if not isinstance(error, Swept):
                self.session.observer(StepFailed(self._number, 0.0, error.message))
            raise

    def _prepare(
        self, instruction: Instruction, op: Op, created_by: str, others: Mapping[int, StageRun]
    ) -> Work:
        """Finds out what the step depends on."""
        parent = self.top.content_id if self.top else ""
        scope = self.state.scope
        if isinstance(op, RunOp):
            if op.mounts:
                return self._prepare_mounts(instruction, op, created_by, others)
            key = run_key(op, parent, scope.platform, self.session.limits())
            return Work(self._number, instruction, op, created_by, key)
        owner = self._copy_owner(op) if isinstance(op, CopyOp) else self._owner(op.user, must_exist=False)
        if isinstance(op, CopyOp):
            alias = self._alias(instruction, op, owner, others)
            if alias is not None and self._cached_step(alias, op) is not None:
                return Work(self._number, instruction, op, created_by, alias, None, owner)
            sources = copy_sources(self.session, instruction, op, others)
            key = copy_key(op, parent, owner, scope.epoch, sources.counted())
            return Work(self._number, instruction, op, created_by, key, sources, owner, alias)
        key = workdir_key(op, parent, owner, scope.epoch)
        return Work(self._number, instruction, op, created_by, key, None, owner)

    def _prepare_mounts(
        self, instruction: Instruction, op: RunOp, created_by: str, others: Mapping[int, StageRun]
    ) -> Work:
        """The same for a RUN with mounts."""
        from lamina.build.mountsources import run_sources  # most builds have none

        found = run_sources(self, instruction, op, others, lambda key: self._cached_step(key, op) is not None)
        mounts, key, alias = found
        return Work(self._number, instruction, op, created_by, key, alias=alias, mounts=mounts)

    def _alias(
        self,
        instruction: Instruction,
        op: CopyOp,
        owner: tuple[int, int] | None,
        others: Mapping[int, StageRun],
    ) -> CacheKey | None:
        """The quick key of a COPY --from, or of an ADD --checksum."""
        if op.checksum:
            from lamina.build.adding import is_pinned  # not for most builds

            parent = self.top.content_id if self.top else ""
            return pinned_key(op, parent, owner, self.state.scope.epoch) if is_pinned(op) else None
        if not op.sources or (op.stage is None and op.image in ("", stages.SCRATCH)):
            return None
        top = others[op.stage].top if op.stage is not None else self.session.base(op.image, instruction).top
        parent = self.top.content_id if self.top else ""
        return copy_from_key(op, parent, owner, self.state.scope.epoch, top.content_id if top else "")

    def _cached_step(self, key: CacheKey, op: Op) -> Step | None:
        """What the cache knows of a step; with --no-cache only what this build has done itself."""
        if self.no_cache and key.digest not in self.session.fresh:
            return None
        step = cachedb.get_step(self.session.ctx.db.read(), key.digest)
        if step is None or not self._choosy:
            return step
        from lamina.build.reuse import refusal_of  # most builds take whatever has the key

        return None if refusal_of(self, op, step) else step

    def _copy_owner(self, op: CopyOp) -> tuple[int, int] | None:
        """Whom the files of a COPY get."""
        if op.chown and op.link:
            from lamina.build.owners import linked_owner

            return linked_owner(op.chown)
        return self._owner(op.chown, must_exist=True)

    def _owner(self, text: str, must_exist: bool) -> tuple[int, int] | None:
        """The numbers of --chown, or of the user in force. A USER that the image lacks makes root folders."""
        if not text:
            return None
        from lamina.build.owners import find_owner  # most builds name nobody

        try:
            return find_owner(text, self.lookup)
        except LaminaError as error:
            if must_exist or isinstance(error, Swept):
                raise
            return None

    def lookup(self) -> Lookup:
        """The files of the stage as it is now."""
        from lamina.layers.lookup import Lookup  # not for a build that only asks for cache rows

        return Lookup(self.session.ctx, self.chain())

    def chain(self) -> tuple[DiffID, ...]:
        """The diff IDs of the stage's layers, top first."""
        return self.state.diff_ids[::-1]

    def find_cached(self) -> bool:
        """Takes the step that is to be done from the cache, if any rule allows it. Makes no layer. Swept."""
        return self.find_exact() or (self.ask_shared() and self.find_exact()) or self.find_reusable()

    def ask_shared(self) -> bool:
        """Whether a shared cache (--cache-from) brought rows for the step, of which the store had none."""
        shared, work = self.session.contexts.shared, self.work
        if shared is None or work is None or self._cached_step(work.key, work.op) is not None:
            return False
        return shared.ask(self, work)

    def find_exact(self) -> bool:
        """The same by the key alone: the rules exact and same-content. Touches nothing on disk."""
        work = self.work
        assert work is not None
        step = self._cached_step(work.key, work.op)
        if step is None or step.diff_id is None:
            return False
        rule = self.rule_of(work.op, step)
        top = self.session.layer(chain_id(self.top.chain_id if self.top else None, step.diff_id))
        if top is None:
            top = self._restack(work, step, rule)
        if top is None:
            return False
        if work.alias is not None:
            self._note_alias(work, step)
        self._reuse(work, rule, step.diff_id, step.created, top, step.origin)
        return True

    def rule_of(self, op: Op, step: Step) -> str:
        """By which rule a row under the very key of a step is reused."""
        stands_on_nothing = isinstance(op, CopyOp) and op.link
        same = step.parent is None or step.parent == (self.top.chain_id if self.top else "")
        if same or stands_on_nothing:
            return EXACT
        from lamina.graph.rules import SAME_CONTENT  # rare

        return SAME_CONTENT

    def find_reusable(self) -> bool:
        """The same by what it looked at below: the rules independent and untouched; else sets `miss`."""
        work = self.work
        assert work is not None
        if self.miss is not None and self.miss.recipe:
            return False  # that was asked before
        from lamina.build.adopting import adopt  # only for what the cache does not know by its key
        from lamina.build.reuse import Miss, note_failures, search

        found, shared = search(self, work), self.session.contexts.shared
        if isinstance(found, Miss) and shared is not None and shared.ask_alike(self, work, found.recipe):
            found = search(self, work)
        if isinstance(found, Miss):
            self.miss = found
            note_failures(self.session, found)
            return False
        adopted = adopt(self.session.ctx, self.top, work, found.step, found.old)
        if adopted is None:
            raise Swept
        origin = found.step.origin
        self._reuse(work, found.rule, adopted.diff.diff_id, adopted.created, adopted.top, origin)
        return True

    def _reuse(self, work: Work, rule: str, diff_id: DiffID, created: str, top: Layer, origin: str) -> None:
        """Goes on with a layer that is there already."""
        self.take(diff_id, created, top)
        self.session.observer(StepCached(work.number, diff_id, rule, origin))
        self.session.report(work, self.stage, cached=True, diff_id=diff_id, seconds=0.0, rule=rule)

    def take(self, diff_id: DiffID, created: str, top: Layer) -> None:
        """The step is done: its layer is the new top."""
        assert self.work is not None
        at = self.work.instruction.source.start_line
        self.state = self.state.add_history(self.work.created_by, diff_id, created, at)
        self.top = top
        self.session.record.reached(self.work.number, self.state, top.chain_id, self.work)
        if self.session.contexts.shared is not None:
            self.session.contexts.shared.took(self, self.work, diff_id, top)
        self.work = self.miss = None

    def _note_alias(self, work: Work, step: Step) -> None:
        """Lets the next build find the step by its quick key."""
        from lamina.build.adopting import put_alias  # writes: rare in a build from the cache

        put_alias(self.session.ctx, work, step)

    def _restack(self, work: Work, step: Step, rule: str) -> Layer | None:
        """Puts a known layer where no layer row has it yet; None when it went away meanwhile."""
        from lamina.build.adopting import restack  # writes: rare in a build from the cache

        return restack(self.session.ctx, self.top, work, step, rule)
