"""build: a request becomes an image. First what the cache knows, then what has to be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.build import builtin
from lamina.build.contexts import Contexts
from lamina.build.errors import Swept
from lamina.build.records import Recorder
from lamina.build.request import BuildResult, BuiltImage
from lamina.build.session import Session
from lamina.build.stagerun import StageRun
from lamina.db import imagedb
from lamina.dockerfile import Run, parse
from lamina.events import Notice
from lamina.graph import stages
from lamina.graph.state import finish
from lamina.oci import reference
from lamina.oci.digest import ImageID, sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.build.request import BuildRequest
    from lamina.build.session import Tools
    from lamina.events import Observer
    from lamina.graph.stages import Plan
    from lamina.layers.context import Layers
    from lamina.oci.config import ImageConfig
    from lamina.oci.platform import Platform
    from lamina.registry.settings import Settings

_ATTEMPTS = 3  # when others remove what the cache has while we build from it


def build(
    ctx: Layers,
    request: BuildRequest,
    platform: Platform,
    observer: Observer,
    enter: Callable[[], None],
    tools: Callable[[], Tools],
    approve: Callable[[BuildRequest], None] | None = None,
    registries: Callable[[], Settings] | None = None,
) -> BuildResult:
    """Builds an image and gives it its names.

    `enter` makes us root in here; it is called, in this thread, before the first layer is made. So is
    `tools` when processes may have to run, before anything heavy is loaded. A build from the cache calls
    neither. `approve` may raise what ends the build when its Dockerfile is here, before anything is done.
    `registries` says where images that the store lacks are pulled from; without it none are.
    DockerfileError for what the Dockerfile says,
    BuildFailed for a RUN that ends badly, other LaminaErrors for the machine's own problems.
    KeyboardInterrupt ends the build cleanly; what was finished until then stays in the cache.
    Each build leaves a record, whatever becomes of it.
    """
    record = Recorder(ctx, request, observer)
    contexts = Contexts(ctx, request, platform, observer, enter, registries)
    ctx = contexts.fetching()

    def begin() -> None:
        record.begin()
        enter()

    try:
        try:
            request = contexts.begin()
            record.dockerfile = request.dockerfile_name
            if approve is not None:
                approve(request)
            if request.cache_from or request.cache_to or builtin.wants_inline_cache(request.build_args):
                from lamina.build.shared import Shared  # most builds share nothing

                contexts.shared = Shared(ctx, request, platform, record, begin, registries)
            result = _recorded(ctx, request, platform, record, contexts, begin, tools)
            if contexts.shared is not None:
                contexts.shared.finish()
        except BaseException as error:
            record.failed(error)
            error.recorded_as = record.id  # type: ignore[attr-defined]
            if request.dockerfile_inside:
                error.dockerfile = request.dockerfile  # type: ignore[attr-defined]  # who asked does not have it
            raise
        return record.completed(result)
    finally:
        contexts.close()


def _recorded(
    ctx: Layers,
    request: BuildRequest,
    platform: Platform,
    observer: Recorder,
    contexts: Contexts,
    enter: Callable[[], None],
    tools: Callable[[], Tools],
) -> BuildResult:
    tags = tuple(str(reference.parse_tagged(tag)) for tag in request.tags)
    plans = plans_of(request, platform, contexts.names, observer)
    attempts = _ATTEMPTS
    while True:
        sessions: list[Session] = []
        for plan in plans:
            before = sessions[-1] if sessions else None
            sessions.append(Session(ctx, request, plan, contexts, observer, tools, before))
        attempts -= 1
        try:
            images = [_build(session, enter, tags if request.is_plain else ()) for session in sessions]
            break
        except Swept as swept:
            if _is_lost(swept, sessions):
                attempts += 1  # each time there are fewer
            elif not attempts:
                raise
            else:
                observer(Notice("what the cache had was removed meanwhile: the build begins again"))
    steps = tuple(session.results[number] for session in sessions for number in sorted(session.results))
    shown = next((image for image in images if image.platform == platform), images[0])
    tags = tags if request.keeps_image else ()
    return BuildResult(shown.image_id, tags, steps, facts=shown.facts, images=tuple(images))


def _is_lost(swept: Swept, sessions: list[Session]) -> bool:
    """Whether it is about layers of steps that cannot be brought: they are done again. Elsewhere."""
    if not hasattr(swept, "error"):
        return False
    from lamina.build.bringing import go_on  # most stores have all their layers

    go_on(swept, sessions)
    return True


def plans_of(
    request: BuildRequest, platform: Platform, names: frozenset[str], observer: Observer
) -> list[Plan]:
    """The stages of a build, once for each platform; `names` are its further contexts. InvalidInput."""
    dockerfile = parse(request.dockerfile, request.dockerfile_name)
    builtin.check(request, dockerfile)
    plans = [
        stages.plan(
            dockerfile, request.build_args, one, request.target or "", request.network, names, platform
        )
        for one in _platforms(request, platform)
    ]
    _ = plans[0].scope.epoch  # InvalidInput when it is no number, before anything is done
    _warn(request, plans[0], observer)
    return plans


def _platforms(request: BuildRequest, machine: Platform) -> tuple[Platform, ...]:
    if not request.platforms:
        return (machine,)
    from lamina.build.foreign import targets  # most builds are for this machine

    return targets(request.platforms, machine)


def _warn(request: BuildRequest, plan: Plan, observer: Observer) -> None:
    """What was asked for and means nothing here."""
    for text in builtin.notices(request, plan):
        observer(Notice(text))
    if plan.unused_args:
        names = " ".join(plan.unused_args)
        observer(Notice(f"[Warning] One or more build-args [{names}] were not consumed"))
    if request.no_cache_filter:
        stage_names = {stage.name.lower() for stage in plan.stages}
        lost = [name for name in request.no_cache_filter if name.lower() not in stage_names]
        if lost:
            observer(Notice(f"[Warning] --no-cache-filter: no stage is called {' or '.join(lost)}"))


def _build(session: Session, enter: Callable[[], None], tags: tuple[str, ...]) -> BuiltImage:
    """One attempt for one platform, from the base images to the finished image."""
    runs = {number: StageRun(session, session.plan.stages[number]) for number in session.needed}
    try:
        _from_cache(session, runs)
        _execute(session, runs, enter)
        _bring(session, runs[session.plan.target])
    finally:
        session.close()
    run = runs[session.plan.target]
    image_id = _register(session, run, tags, enter)
    lines = run.state.lines if not session.request.squash else (*run.state.lines, 0)
    return BuiltImage(image_id, session.plan.scope.platform, session.facts(), session.scans(runs), lines)


def _bring(session: Session, run: StageRun) -> None:
    """The layers of the image that only a shared cache has had so far, where the image is kept. Swept."""
    if session.contexts.shared is not None and session.request.keeps_files:
        from lamina.layers.absent import bring  # most builds share nothing

        bring(session.ctx, run.chain())


def _from_cache(session: Session, runs: Mapping[int, StageRun]) -> None:
    """Takes every stage as far as the cache knows it."""
    for run in runs.values():
        if not all(runs[number].done for number in stages.dependencies(session.plan, run.stage)):
            continue
        run.begin(runs)
        while run.find_work(runs) is not None and run.find_cached():
            pass


def _execute(session: Session, runs: Mapping[int, StageRun], enter: Callable[[], None]) -> None:
    """Does what is left, if anything is."""
    pending = [run for run in runs.values() if not run.done]
    if not pending:
        return
    enter()
    # The process that starts all others is forked from here: a process with few modules forks fast.
    tools = session.tools() if any(_may_run(run) for run in pending) else None
    if session.contexts.shared is not None:
        session.contexts.shared.begin_exports()
    from lamina.build.executing import Executor  # with all that a build from the cache does not load

    with session.ctx.lease.idle():  # steps make rows with all that they make
        Executor(session, runs, tools).execute()


def _may_run(run: StageRun) -> bool:
    return any(isinstance(instruction, Run) for instruction in run.stage.instructions)


def _register(session: Session, run: StageRun, tags: tuple[str, ...], enter: Callable[[], None]) -> ImageID:
    """Makes the image known. Nothing is written when it is, under these names. Swept."""
    ctx = session.ctx
    request = session.request
    platform = session.plan.scope.platform if request.platforms else None
    made = finish(run.state, platform, request.labels)
    if request.squash:
        from lamina.build.squash import squash  # few want it

        made = squash(session, run, made, enter)
    if session.contexts.shared is not None or builtin.INLINE in made.extra:
        made = _with_cache(session, made)
    config = made.to_bytes()
    image_id = ImageID(sha256(config))
    if not request.keeps_image:
        return image_id
    c = ctx.db.read()
    if imagedb.get_image(c, image_id) is None:
        from lamina.transfer.register import register_image  # a build from the cache has its image

        session.hold([run.top.chain_id] if run.top else [])
        return register_image(ctx, config, made.diff_ids, tags).image_id
    if not all(imagedb.is_tagged(c, tag, image_id) for tag in tags):
        with ctx.db.write() as tx:
            if imagedb.get_image(tx, image_id) is None:
                raise Swept
            for tag in tags:
                imagedb.put_tag(tx, tag, image_id)
    return image_id


def _with_cache(session: Session, made: ImageConfig) -> ImageConfig:
    """The config with the inline cache that was asked for; never with that of the base."""
    if session.contexts.shared is not None:
        return session.contexts.shared.finished(made)
    return made._replace(extra={name: value for name, value in made.extra.items() if name != builtin.INLINE})
