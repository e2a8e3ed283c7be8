"""Session: one build while it goes on: its plan, its stages, and what they share."""

from __future__ import annotations

import os
from _thread import allocate_lock
from typing import TYPE_CHECKING, NamedTuple

from lamina.build import images
from lamina.build.context import Context
from lamina.build.errors import Swept
from lamina.build.request import StepResult
from lamina.db import contexts, layerdb, leases
from lamina.dockerfile import Add, Copy, IgnoreFile, Run, Workdir, locate
from lamina.errors import Conflict, InvalidInput, LaminaError, NotFound
from lamina.events import StepStarted
from lamina.graph import stages
from lamina.graph.supported import check_supported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lamina.build.images import Base
    from lamina.build.request import BuildRequest
    from lamina.build.stagerun import Work
    from lamina.db.layerdb import Layer
    from lamina.dockerfile import DockerfileError, Instruction
    from lamina.events import Observer
    from lamina.graph.stages import Plan, Stage
    from lamina.layers.context import Layers
    from lamina.oci.digest import ChainID
    from lamina.sandbox.protocol import Runtime
    from lamina.snapshot.protocol import Snapshotter

_LAYERS = (Run, Copy, Add, Workdir)


class Tools(NamedTuple):
    """What runs processes; made only when a step has to run."""

    snapshotter: Snapshotter
    runtime: Runtime


class Session:
    """What all stages of one build share. `fresh` are keys of steps that this build itself has done."""

    def __init__(
        self, ctx: Layers, request: BuildRequest, plan: Plan, observer: Observer, tools: Callable[[], Tools]
    ) -> None:
        if request.context is not None and not os.path.isdir(request.context):
            raise NotFound(f"the build context {request.context} is not a folder")
        self.ctx = ctx
        self.request = request
        self.observer = observer
        self.tools = tools
        self.context_lock = allocate_lock()
        self.fresh: set[str] = set()
        self.results: dict[int, StepResult] = {}
        self._bases: dict[str, Base] = {}
        self._holds = False
        self._context: Context | None = None
        self.plan = self._with_triggers(plan)
        self.needed = stages.needed(self.plan)
        for number in self.needed:
            check_supported(self.plan.dockerfile, self.plan.stages[number].instructions)
        self.counts = counts = {n: 1 + self._layer_count(self.plan.stages[n]) for n in self.needed}
        self.total = sum(counts.values())
        self.first_step = {n: 1 + sum(counts[m] for m in self.needed if m < n) for n in self.needed}

    def base(self, name: str, instruction: Instruction) -> Base:
        """An image that an instruction names, looked up once. DockerfileError when it is not there."""
        found = self._bases.get(name)
        if found is None:
            try:
                found = self._bases[name] = images.find_base(self.ctx, name)
            except (NotFound, InvalidInput, Conflict) as error:
                raise self.locate(instruction, error, at=name) from None
            if self._holds and found.top is not None:
                self.hold([found.top.chain_id])
        return found

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
        if self._context is None:
            root = self.context_root()
            if root is None:
                raise NotFound("this build has no context", hint="give a folder instead of -")
            self._context = Context(root, read_ignore(self.request), contexts.stats(self.ctx.db.read(), root))
        return self._context

    def context_root(self) -> str | None:
        """The context's folder without links."""
        return None if self.request.context is None else os.path.realpath(self.request.context)

    def close(self) -> None:
        """Notes what was hashed in the context; no transaction when there is nothing new."""
        root = self.context_root()
        if self._context is None or root is None:
            return
        self._context.close()
        changed, gone = self._context.news()
        if changed or gone:
            with self.ctx.db.write(durable=False) as c:
                contexts.put_stats(c, root, changed, gone)

    def started(self, number: int, stage: Stage, instruction: Instruction) -> None:
        """Reports that a step begins."""
        text = show(instruction, stage)
        label = stage.label if len(self.plan.stages) > 1 else stage.name
        line, place = instruction.source.start_line, number - self.first_step[stage.number] + 1
        places = self.counts[stage.number]
        self.observer(StepStarted(number, self.total, label, text, line, place, places))

    def report(self, work: Work, stage: Stage, *, cached: bool, diff_id: str, seconds: float) -> None:
        """Notes how a step went, for the result."""
        text, line = show(work.instruction, stage), work.instruction.source.start_line
        self.results[work.number] = StepResult(text, line, stage.name, cached, diff_id, seconds)

    def _with_triggers(self, plan: Plan) -> Plan:
        """Puts the ONBUILD triggers of bases into the stages built on them, until no stage is new."""
        done: set[int] = set()
        while todo := [number for number in stages.needed(plan) if number not in done]:
            number = todo[0]
            done.add(number)
            stage = plan.stages[number]
            if stage.parent is not None:
                triggers = stages.stage_triggers(plan.stages[stage.parent])
            elif stage.base == stages.SCRATCH:
                triggers = ()
            else:
                self.plan = plan  # `base` needs it to locate an error
                texts = self.base(stage.base, stage.source).config.config.on_build
                triggers = stages.image_triggers(texts, stage.source)
            if triggers:
                plan = plan.add_triggers(number, triggers)
        return plan

    def _layer_count(self, stage: Stage) -> int:
        return sum(isinstance(instruction, _LAYERS) for instruction in stage.instructions)


def show(instruction: Instruction, stage: Stage) -> str:
    """An instruction on one line, as the user wrote it; one that came from a base says so."""
    text = " ".join(instruction.original.split("\n")).strip()
    from_base = instruction is not stage.source and instruction.source == stage.source.source
    return f"ONBUILD {text}" if from_base else text


def read_ignore(request: BuildRequest) -> IgnoreFile | None:
    """The patterns of PATH.dockerignore beside the Dockerfile, else of .dockerignore in the context."""
    candidates = [f"{request.dockerfile_path}.dockerignore"] if request.dockerfile_path else []
    if request.context is not None:
        candidates.append(os.path.join(request.context, ".dockerignore"))
    for path in candidates:
        try:
            with open(path, "rb") as file:
                return IgnoreFile.parse(file.read())
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise InvalidInput(f"cannot read {path}: {error.strerror}") from None
    return None
