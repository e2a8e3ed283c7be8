"""What a build notes of its steps and of what it took from elsewhere, for the provenance of its image."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb
from lamina.events import Notice
from lamina.gobool import TRUE
from lamina.graph.scope import SCAN_CONTEXT, SCAN_STAGE
from lamina.layers.clock import now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.build.images import Base
    from lamina.build.request import BuildRequest
    from lamina.build.session import Session
    from lamina.build.stagerun import StageRun, Work
    from lamina.dockerfile.source import SourceRange
    from lamina.graph.ops import Op
    from lamina.graph.stages import Plan
    from lamina.oci.config import History
    from lamina.oci.digest import DiffID, Digest


class DoneStep(NamedTuple):
    """A step that makes a layer, as it was done or found."""

    number: int
    stage: int
    op: Op
    source: SourceRange  # its lines in the Dockerfile
    created_by: str
    key: str
    diff_id: str
    cached: bool


class UsedImage(NamedTuple):
    """An image that FROM, COPY --from or a mount names; `digest` is what the name stands for.

    `platform` is "" for that of the whole build.
    """

    name: str
    platform: str
    digest: Digest


class Material(NamedTuple):
    """What ADD or a context took from elsewhere: a URL with its digest, a repository with its commit.

    `is_context` for the build's main context.
    """

    uri: str  # without a password
    algorithm: str  # sha256 | sha1
    digest: str  # hex
    is_context: bool


class Facts(NamedTuple):
    """All that provenance says. `needed` are the stages that were built, in order; times are RFC 3339."""

    request: BuildRequest  # with the Dockerfile that was found in a context from elsewhere
    plan: Plan
    needed: tuple[int, ...]
    steps: tuple[DoneStep, ...]
    images: tuple[UsedImage, ...]
    materials: tuple[Material, ...]
    started: str
    finished: str


class Scan(NamedTuple):
    """A stage whose packages the SBOM is to have as well; `diff_ids` bottom first."""

    name: str
    diff_ids: tuple[DiffID, ...]
    history: tuple[History, ...]


class Notes:
    """What is noted while a build goes on; called from the threads of all stages."""

    def __init__(self) -> None:
        self.started = now()
        self.steps: dict[int, DoneStep] = {}

    def step(self, work: Work, stage: int, cached: bool, diff_id: str) -> None:
        """A step was done, or found in the cache."""
        source, key = work.instruction.source, work.key.digest
        self.steps[work.number] = DoneStep(
            work.number, stage, work.op, source, work.created_by, key, diff_id, cached
        )

    def facts(self, session: Session, bases: Mapping[str, Base]) -> Facts:
        """All of it, once the build is done; `bases` are keyed by name, and platform where it is another."""
        return Facts(
            session.request,
            session.plan,
            tuple(session.needed),
            tuple(self.steps[number] for number in sorted(self.steps)),
            tuple([_used(session, *each) for each in bases.items()]),
            tuple(session.contexts.materials()),
            self.started,
            now(),
        )


def scans(session: Session, runs: Mapping[int, StageRun]) -> tuple[Scan, ...]:
    """The stages beside the target that BUILDKIT_SBOM_SCAN_STAGE names, where one says so.

    It is true, false, or a list of stages, and counts in a stage that declares it, or in all from before the
    first FROM. The build context cannot be scanned, which is told.
    """
    found: list[Scan] = []
    for number, run in runs.items():
        stage = run.stage
        if number != session.plan.target and _is_named(stage.label, _value(run, SCAN_STAGE)):
            found.append(Scan(stage.label, run.state.diff_ids, run.state.history))
    target = runs[session.plan.target]
    if _is_named(target.stage.label, _value(target, SCAN_CONTEXT)):
        session.observer(
            Notice(f"[Warning] {SCAN_CONTEXT}: the build context is not scanned, only layers are")
        )
    return tuple(found)


def _value(run: StageRun, name: str) -> str:
    return dict(run.state.args).get(name) or run.session.plan.scope.global_args.get(name, "")


def _is_named(stage: str, value: str) -> bool:
    if value in TRUE:
        return True
    return stage in value.split(",")


def _used(session: Session, key: str, base: Base) -> UsedImage:
    name, _, platform = key.partition(" ")
    digest = base.index_digest or imagedb.need_image(session.ctx.db.read(), base.image_id).manifest
    return UsedImage(name, platform, digest)
