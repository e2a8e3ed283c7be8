"""Session: one build while it goes on: its plan, its stages, and what they share."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.build import images
from lamina.build.errors import Swept
from lamina.build.request import StepResult
from lamina.db import layerdb, leases
from lamina.dockerfile import Add, Copy, Run, Workdir, locate
from lamina.errors import Conflict, InvalidInput, LaminaError, NotFound
from lamina.events import StepStarted
from lamina.graph import stages
from lamina.graph.runs import check_allowed
from lamina.graph.scope import HOSTNAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from lamina.build.context import Context
    from lamina.build.contexts import Contexts
    from lamina.build.done import Facts, Notes, Scan
    from lamina.build.earlier import Earlier
    from lamina.build.images import Base
    from lamina.build.records import Recorder
    from lamina.build.request import BuildRequest
    from lamina.build.stagerun import StageRun, Work
    from lamina.db.layerdb import Layer
    from lamina.dockerfile import DockerfileError, Instruction
    from lamina.graph.key import Ingredient
    from lamina.graph.scope import Scope
    from lamina.graph.stages import Plan, Stage
    from lamina.layers.context import Layers
    from lamina.oci.digest import ChainID, DiffID
    from lamina.oci.platform import Platform
    from lamina.sandbox.protocol import Runtime
    from lamina.snapshot.protocol import Snapshotter
    from lamina.trace.recorder import Recorder as Tracer

_LAYERS = (Run, Copy, Add, Workdir)


class Tools(NamedTuple):
    """What runs processes; made only when a step has to run."""

    snapshotter: Snapshotter
    runtime: Runtime
    recorder: Tracer | None = None  # what traces processes; None where that is not possible
    untraced: str = ""  # why it is not


class Session:
    """What all stages of one build share. `fresh` are keys of steps that this build itself has done."""

    def __init__(
        self,
        ctx: Layers,
        request: BuildRequest,
        plan: Plan,
        contexts: Contexts,
        observer: Recorder,
        tools: Callable[[], Tools],
        before: Session | None = None,
    ) -> None:
        """`before` is the session for another platform that the same build does first."""
        self.ctx = ctx
        self.request = request
        self.observer = self.record = observer
        self.tools = tools
        self.contexts = contexts
        self.context_lock = contexts.lock
        self.fresh: set[str] = before.fresh if before else set()
        self.results: dict[int, StepResult] = {}
        self.notes: Notes | None = _notes(request)
        self.earlier: Earlier | None = None  # what is recorded of the builds before, once it is wanted
        self._bases: dict[str, Base] = {}
        self._holds = False
        self.plan = self._with_triggers(plan)
        self.needed = stages.needed(self.plan)
        for number in self.needed:
            check_allowed(self.plan.dockerfile, self.plan.stages[number].instructions, request.allow)
        self.counts = counts = {n: 1 + self._layer_count(self.plan.stages[n]) for n in self.needed}
        done: int = before.total if before else 0
        self.total: int = done + sum(counts.values())
        self.first_step = {n: 1 + done + sum(counts[m] for m in self.needed if m < n) for n in self.needed}
        self.record.planned(self._planned())

    def base(self, name: str, instruction: Instruction, platform: Platform | None = None) -> Base:
        """An image that an instruction names, looked up once. DockerfileError when it is not there.

        `platform` is what it should be for, that of the whole build if not given.
        """
        platform = platform or self.plan.scope.platform
        key = name if platform is self.plan.scope.platform else f"{name} {platform}"
        found = self._bases.get(key)
        if found is None:
            try:
                found = self._bases[key] = self._find_base(name, platform)
            except (NotFound, InvalidInput, Conflict) as error:
                raise self.locate(instruction, error, at=name) from None
            if self._holds and found.top is not None:
                self.hold([found.top.chain_id])
        return found

    def _find_base(self, name: str, platform: Platform) -> Base:
        """In the store, else in a registry; with --pull the registry is asked in any case."""
        if self.request.pull and self.contexts.pulls is not None:
            self.contexts.pulls.refresh(name, platform)
        try:
            return images.find_base(self.ctx, name, platform)
        except images.Absent as error:
            if self.contexts.pulls is None:
                raise
            self.contexts.pulls.bring(name, platform, error)
        return images.find_base(self.ctx, name, platform)

    def base_layers(self) -> set[DiffID]:
        """The layers of the images that were looked up."""
        c = self.ctx.db.read()
        tops = [base.top.chain_id for base in self._bases.values() if base.top is not None]
        return {layer.diff_id for top in tops for layer in layerdb.chain(c, top)}

    def scope_of(self, stage: Stage, own: Platform) -> Scope:
        """The scope of a stage on a base for the platform `own`."""
        scope = self.plan.scope
        if own[:3] == stage.platform[:3] == scope.platform[:3]:
            return scope
        from lamina.build.foreign import stage_scope  # most builds are for this machine

        return stage_scope(self, stage, own)

    def layer(self, name: ChainID) -> Layer | None:
        """The layer with this name, if there is one; once steps are being done, it also stays."""
        if not self._holds:
            return layerdb.get_layer(self.ctx.db.read(), name)
        with self.ctx.db.write(durable=False) as c:
            leases.hold(c, self.ctx.lease.id, leases.LAYER, name)
            return layerdb.get_layer(c, name)

    def hold(self, names: Iterable[ChainID]) -> None:
        """Keeps these layers, those of all bases, and those that are found from now on from a sweep. Swept.

        A build from the cache does without: it writes nothing.
        """
        self._holds = True
        tops = [base.top.chain_id for base in self._bases.values() if base.top is not None]
        with self.ctx.db.write(durable=False) as c:
            for name in {*names, *tops}:
                leases.hold(c, self.ctx.lease.id, leases.LAYER, name)
                if layerdb.get_layer(c, name) is None:
                    raise Swept

    def locate(self, instruction: Instruction, error: LaminaError, at: str | None = None) -> DockerfileError:
        """The same problem, with its place in the Dockerfile."""
        return locate(self.plan.dockerfile, instruction, error.message, at=at, hint=error.hint)

    def context(self) -> Context:
        """The build context, scanned as it is asked for."""
        return self.contexts.main()

    def limits(self) -> tuple[Ingredient, ...]:
        """What the request says of all processes, as far as it counts in cache keys."""
        request, epoch = self.request, self.plan.scope.epoch
        limited = request.ulimits or request.shm_size or request.add_hosts
        if not (limited or epoch is not None or HOSTNAME in request.build_args):
            return ()
        from lamina.build.limits import limit_parts  # few builds have any

        return limit_parts(request, epoch)

    def close(self) -> None:
        """Notes what was hashed in the contexts; no transaction when there is nothing new."""
        self.contexts.note()

    def started(self, number: int, stage: Stage, instruction: Instruction) -> None:
        """Reports that a step begins."""
        self.observer(self._start_of(number, stage, instruction))

    def _planned(self) -> Iterator[StepStarted]:
        """All steps of the build."""
        for number in self.needed:
            stage, step = self.plan.stages[number], self.first_step[number]
            yield self._start_of(step, stage, stage.source)
            for instruction in stage.instructions:
                if isinstance(instruction, _LAYERS):
                    step += 1
                    yield self._start_of(step, stage, instruction)

    def _start_of(self, number: int, stage: Stage, instruction: Instruction) -> StepStarted:
        text = show(instruction, stage)
        label = stage.label if len(self.plan.stages) > 1 else stage.name
        if len(self.request.platforms) > 1:
            from lamina.build.foreign import label as platform_label  # rare

            label = f"{platform_label(stage, self.plan.scope)} {label}".rstrip()
        line, place = instruction.source.start_line, number - self.first_step[stage.number] + 1
        places = self.counts[stage.number]
        return StepStarted(number, self.total, label, text, line, place, places)

    def report(
        self, work: Work, stage: Stage, *, cached: bool, diff_id: str, seconds: float, rule: str = ""
    ) -> None:
        """Notes how a step went, for the result."""
        text, line = show(work.instruction, stage), work.instruction.source.start_line
        self.results[work.number] = StepResult(text, line, stage.name, cached, diff_id, seconds, rule)
        if self.notes is not None:
            self.notes.step(work, stage.number, cached, diff_id)

    def facts(self) -> Facts | None:
        """What provenance says of this build; None when nobody asked for it."""
        return self.notes.facts(self, self._bases) if self.notes is not None else None

    def scans(self, runs: Mapping[int, StageRun]) -> tuple[Scan, ...]:
        """The stages that the bill of materials is to have beside the image."""
        if not self.request.sbom:
            return ()
        from lamina.build.done import scans  # most builds do without

        return scans(self, runs)

    def _with_triggers(self, plan: Plan) -> Plan:
        """Puts the ONBUILD triggers of bases into the stages built on them, until no stage is new."""
        done: set[int] = set()
        while todo := [number for number in stages.needed(plan) if number not in done]:
            number = todo[0]
            done.add(number)
            stage = plan.stages[number]
            if stage.context:
                self.plan = plan  # to locate an error
                stage = self._settled(stage)
                plan = plan._replace(stages=(*plan.stages[:number], stage, *plan.stages[number + 1 :]))
            if stage.parent is not None:
                triggers = stages.stage_triggers(plan.stages[stage.parent])
            elif stage.base == stages.SCRATCH or stage.context:
                triggers = ()
            else:
                self.plan = plan  # `base` needs it to locate an error
                texts = self.base(stage.base, stage.source, stage.platform).config.config.on_build
                triggers = stages.image_triggers(texts, stage.source)
            if triggers:
                plan = plan.add_triggers(number, triggers)
        return plan

    def _settled(self, stage: Stage) -> Stage:
        """A stage from a further context, once it is known whether that is an image."""
        try:
            return self.contexts.settle_stage(stage)
        except LaminaError as error:
            raise self.locate(stage.source, error, at=stage.base) from None

    def _layer_count(self, stage: Stage) -> int:
        return sum(isinstance(instruction, _LAYERS) for instruction in stage.instructions)


def _notes(request: BuildRequest) -> Notes | None:
    """Notes for provenance, where that was asked for."""
    if not request.provenance:
        return None
    from lamina.build.done import Notes  # most builds do without
    from lamina.build.provenance import options

    options(request.provenance_options)  # refuses before anything is done what would be refused after it
    return Notes()


def show(instruction: Instruction, stage: Stage) -> str:
    """An instruction on one line, as the user wrote it; one that came from a base says so."""
    text = " ".join(instruction.original.split("\n")).strip()
    from_base = instruction is not stage.source and instruction.source == stage.source.source
    return f"ONBUILD {text}" if from_base else text
