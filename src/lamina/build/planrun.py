"""What a plan puts in the place of a build's session, contexts and stages: they ask, and change nothing.

A step whose result cannot be known without doing it leaves its stage waiting: its layers are made up, so that
equal steps of two stages still have equal keys, and whoever looks into them is told what it waits for.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, NoReturn, cast

from lamina.build import images
from lamina.build.contexts import Contexts
from lamina.build.errors import Swept
from lamina.build.images import Base
from lamina.build.reuse import Miss, search
from lamina.build.session import Session
from lamina.build.stagerun import StageRun
from lamina.db import cachedb, layerdb
from lamina.db.layerdb import Layer
from lamina.dockerfile import Add, Copy
from lamina.dockerfile.remotes import is_http, parse_git, redacted
from lamina.errors import InvalidInput, Unsupported
from lamina.events import Notice
from lamina.graph.key import recipe
from lamina.graph.ops import CopyOp
from lamina.layers.lookup import Lookup
from lamina.oci import reference as references
from lamina.oci.config import ImageConfig
from lamina.oci.digest import ChainID, DiffID, ImageID, chain_id, sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lamina.build.context import Context
    from lamina.build.plan import PlannedStep
    from lamina.build.records import Recorder
    from lamina.build.remote import Remotes
    from lamina.build.request import BuildRequest
    from lamina.build.session import Tools
    from lamina.build.stagerun import Work
    from lamina.db.cachedb import Found, Step
    from lamina.dockerfile import Instruction
    from lamina.dockerfile.remotes import GitSource
    from lamina.graph.ops import Op
    from lamina.graph.stages import Plan, Stage
    from lamina.layers.context import Layers
    from lamina.layers.planned import PlannedLayers
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import Digest
    from lamina.oci.platform import Platform
    from lamina.registry.settings import Settings

_LAYOUT, _IMAGE, _TARGET = "oci-layout://", "docker-image://", "target:"


class Waiting(Exception):  # no LaminaError: it is no failure, and nobody on the way is to explain it as one
    """Something is known only once `steps` were done; or, where there are none, `why` nobody asks for it."""

    def __init__(self, steps: Iterable[int] = (), why: str = "") -> None:
        super().__init__(why or "steps that were not done yet")
        self.steps = tuple(sorted(set(steps)))
        self.why = why


class Shared(NamedTuple):
    """A step that would be done, or is not known yet, whose key another stage may come to."""

    number: int
    waits: tuple[int, ...]  # those that follow it


class PlannedContexts(Contexts):
    """Contexts of which only folders of this machine, and images of the store, are looked at."""

    def begin(self) -> BuildRequest:
        """As Contexts has it. Unsupported when the context, or the Dockerfile, lies elsewhere."""
        place, inside = self.request.context or "", self.request.dockerfile_inside
        if self.request.archive is not None:
            _refuse("the build context on STDIN", "unpack it, and plan from the folder")
        if not os.path.isdir(place) and _is_remote(place):
            _refuse(f"the build context {redacted(place)}", "fetch it, and plan from the folder")
        if is_http(inside):
            _refuse(f"the Dockerfile {redacted(inside)}", "fetch it, and name the file")
        return super().begin()

    @property
    def remotes(self) -> Remotes:
        """What says of all that lies elsewhere that nobody asks for it."""
        return cast("Remotes", _NoRemotes())

    def image(self, name: str, platform: Platform | None = None) -> str:
        """As Contexts has it; of what would have to be loaded first, what it is called."""
        value = self.value(name)
        if value.startswith(_LAYOUT):
            return value
        return "" if _lies_elsewhere(value) else super().image(name, platform)

    def files(self, name: str) -> Context:
        """As Contexts has it. Waiting for what would have to be fetched, or unpacked."""
        value = self.value(name)
        if _lies_elsewhere(value):
            raise Waiting(why=f"the build context {name} ({redacted(value)}) is not fetched by a plan")
        return super().files(name)


class _NoRemotes:
    """Remotes, as far as a plan asks them."""

    def file(self, url: str, expected: Digest | None = None) -> NoReturn:
        raise Waiting(why=f"a plan does not ask whether {redacted(url)} has changed")

    def commit(self, source: GitSource) -> NoReturn:
        raise Waiting(why=f"a plan does not ask what is in {redacted(source.remote)}")


class NoFetcher:
    """A Fetcher (layers.absent) that brings nothing."""

    def layers(self, ctx: Layers, diff_ids: Sequence[DiffID]) -> None:
        """Waiting."""
        raise Waiting(why=f"layer {diff_ids[0][:19]} is elsewhere, and a plan fetches nothing")

    def blob(self, ctx: Layers, descriptor: Descriptor) -> None:
        """Waiting."""
        raise Waiting(why=f"blob {descriptor.digest[:19]} is elsewhere, and a plan fetches nothing")


def _refuse(what: str, hint: str) -> NoReturn:
    raise Unsupported(f"a plan fetches and unpacks nothing: {what} is not here", hint=hint)


def _lies_elsewhere(value: str) -> bool:
    """Whether a further context has to be fetched, or unpacked."""
    if value.startswith((_IMAGE, _TARGET, _LAYOUT)) or os.path.isdir(value):
        return False
    return os.path.isfile(value) or _is_remote(value)


def _is_remote(place: str) -> bool:
    return is_http(place) or parse_git(place) is not None


class PlannedSession(Session):
    """As Session. An image that the store lacks is waited for where a build would pull it.

    `shared` are the steps so far that would be done, or are not known yet, by their keys; `found` is what
    is told of each step, by its number.
    """

    ctx: PlannedLayers
    contexts: PlannedContexts

    def __init__(
        self,
        ctx: PlannedLayers,
        request: BuildRequest,
        plan: Plan,
        contexts: PlannedContexts,
        observer: Recorder,
        registries: Callable[[], Settings] | None,
        before: PlannedSession | None,
    ) -> None:
        self._registries = registries
        self._ready = False
        self._told: set[str] = set()
        self.shared: dict[str, Shared] = before.shared if before else {}
        self.found: dict[int, PlannedStep] = before.found if before else {}
        self.pulls: dict[str, None] = before.pulls if before else {}  # images that would be pulled, in order
        super().__init__(ctx, request, plan, contexts, observer, _no_tools, before)
        self._ready = True

    def base(self, name: str, instruction: Instruction, platform: Platform | None = None) -> Base:
        """As Session has it. Waiting for an image that would be pulled, or loaded."""
        try:
            return super().base(name, instruction, platform)
        except Waiting:
            if self._ready:
                raise
            platform = platform or self.plan.scope.platform  # its ONBUILD triggers are not known
            return Base(ImageID(""), ImageConfig(platform.architecture, platform.os), None)

    def _find_base(self, name: str, platform: Platform) -> Base:
        if name.startswith(_LAYOUT):
            raise Waiting(why=f"{name} is not loaded into the store by a plan")
        try:
            found = images.find_base(self.ctx, name, platform)
        except images.Absent as error:
            if self._registries is None or self._registries().offline:
                raise
            try:
                shown = references.parse(name).with_default_tag().familiar()
            except InvalidInput:
                raise error from None
            self.pulls.setdefault(shown)
            raise Waiting(why=f"{shown} is not in the store: it would be pulled") from None
        if self.request.pull and self._registries is not None and name not in self._told:
            self._told.add(name)
            self.observer(Notice(f"--pull: a plan asks no registry whether there is a newer {name}"))
        return found


def _no_tools() -> Tools:
    raise AssertionError("a plan runs nothing")


class PlannedRun(StageRun):
    """As StageRun. `waits` are the steps that come first of what the rest of the stage stands on.

    `blind` when not even the instructions are known: those of the image that FROM names count, too.
    `report` is called for each step that could be reused: its number, the rule, and its row.
    """

    session: PlannedSession

    def __init__(
        self, session: PlannedSession, stage: Stage, report: Callable[[Work, str, Step | None], None]
    ) -> None:
        super().__init__(session, stage)
        self.waits: tuple[int, ...] = ()
        self.blind = False
        self._report = report
        self._step: Step | None = None

    @property
    def number(self) -> int:
        """Of the step that was come to last."""
        return self._number

    @property
    def is_linked(self) -> bool:
        """Whether that is a COPY --link, which does not depend on the layers below."""
        instruction = self.stage.instructions[self._position - 1] if self._position else self.stage.source
        return isinstance(instruction, Copy | Add) and instruction.link

    def inherit(self, parent: PlannedRun) -> None:
        """Takes over what the stage that this one begins from waits for."""
        self.waits, self.blind = parent.waits, parent.blind

    def chain(self) -> tuple[DiffID, ...]:
        """As StageRun has it. Waiting."""
        if self.waits:
            raise Waiting(self.waits)
        return super().chain()

    def lookup(self) -> Lookup:
        """As StageRun has it; what waits is told to whoever looks."""
        return _Unknown(self.session.ctx, self.waits) if self.waits else super().lookup()

    def find_reusable(self) -> bool:
        """As StageRun has it: whose layer the step could have seems to lie on these from now on. Waiting."""
        work = self.work
        assert work is not None
        if self.waits:
            if not self.no_cache and not stands_on_nothing(work.op):
                raise Waiting(self.waits)
            self.miss = Miss(recipe(work.key))
            return False
        found = search(self, work)
        if isinstance(found, Miss):
            self.miss = found
            return False
        assert found.step.diff_id is not None
        top = self._stacked(work, found.step)
        if top is None:
            raise Swept
        if found.old is None:  # another stage that comes to the same step finds it by its key
            row = found.step._replace(key=work.key.digest, parent=self.top.chain_id if self.top else "")
            self.session.ctx.db.add_step(row)
        self._step = found.step
        self._reuse(work, found.rule, found.step.diff_id, found.step.created, top, found.step.origin)
        return True

    def _restack(self, work: Work, step: Step, rule: str) -> Layer | None:
        return self._stacked(work, step)

    def _stacked(self, work: Work, step: Step) -> Layer | None:
        assert step.diff_id is not None
        diff = layerdb.get_diff(self.session.ctx.db.read(), step.diff_id)
        if diff is None:
            return None
        return self.session.ctx.stack(self.top, diff, work.created_by, step.created)

    def _note_alias(self, work: Work, step: Step) -> None:
        pass  # the next build notes it

    def _reuse(self, work: Work, rule: str, diff_id: DiffID, created: str, top: Layer, origin: str) -> None:
        step = self._step or cachedb.get_step(self.session.ctx.db.read(), work.key.digest)
        self._step = None
        super()._reuse(work, rule, diff_id, created, top, origin)
        self._report(work, rule, step)

    def wait(self, name: str, waits: Iterable[int]) -> None:
        """Goes on over a step whose layer is not known: `name` is what is known of it, all told."""
        self.waits = tuple(sorted(set(waits)))
        diff_id = DiffID(sha256(f"not known yet {name}".encode()))
        above = self.top.chain_id if self.top else None
        self.top = Layer(ChainID(chain_id(above, diff_id)), above, diff_id, name, "", "", 0)
        self.work = self.miss = None


def stands_on_nothing(op: Op) -> bool:
    """Whether a step is what it is whatever lies below: COPY --link."""
    return isinstance(op, CopyOp) and op.link


class _Unknown(Lookup):
    """The files of a stage that are not known yet."""

    __slots__ = ("_waits",)

    def __init__(self, ctx: PlannedLayers, waits: tuple[int, ...]) -> None:
        super().__init__(ctx, ())
        self._waits = waits

    def _load(self, path: bytes) -> dict[bytes, Found]:
        raise Waiting(self._waits)

    def _find(self, path: bytes) -> Found | None:
        raise Waiting(self._waits)
