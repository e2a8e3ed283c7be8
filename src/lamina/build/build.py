"""build: a request becomes an image. First what the cache knows, then what has to be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.build.errors import Swept
from lamina.build.request import BuildResult
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
    from lamina.layers.context import Layers
    from lamina.oci.platform import Platform

_ATTEMPTS = 3  # when others remove what the cache has while we build from it


def build(
    ctx: Layers,
    request: BuildRequest,
    platform: Platform,
    observer: Observer,
    enter: Callable[[], None],
    tools: Callable[[], Tools],
) -> BuildResult:
    """Builds an image and gives it its names.

    `enter` makes us root in here; it is called, in this thread, before the first layer is made. So is
    `tools` when processes may have to run, before anything heavy is loaded. A build from the cache calls
    neither. DockerfileError for what the Dockerfile says,
    BuildFailed for a RUN that ends badly, other LaminaErrors for the machine's own problems.
    KeyboardInterrupt ends the build cleanly; what was finished until then stays in the cache.
    """
    tags = tuple(str(reference.parse_tagged(tag)) for tag in request.tags)
    dockerfile = parse(request.dockerfile, request.dockerfile_name)
    plan = stages.plan(dockerfile, request.build_args, platform, request.target or "", request.network)
    if plan.unused_args:
        names = " ".join(plan.unused_args)
        observer(Notice(f"[Warning] One or more build-args [{names}] were not consumed"))
    attempts = _ATTEMPTS
    while True:
        session = Session(ctx, request, plan, observer, tools)
        attempts -= 1
        try:
            image_id = _build(session, enter, tags)
            break
        except Swept:
            if not attempts:
                raise
            observer(Notice("what the cache had was removed meanwhile: the build begins again"))
    steps = tuple(session.results[number] for number in sorted(session.results))
    return BuildResult(image_id, tags, steps)


def _build(session: Session, enter: Callable[[], None], tags: tuple[str, ...]) -> ImageID:
    """One attempt, from the base images to the finished image."""
    runs = {number: StageRun(session, session.plan.stages[number]) for number in session.needed}
    try:
        _from_cache(session, runs)
        _execute(session, runs, enter)
    finally:
        session.close()
    return _register(session, runs[session.plan.target], tags)


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
    from lamina.build.executing import Executor  # with all that a build from the cache does not load

    with session.ctx.lease.idle():  # steps make rows with all that they make
        Executor(session, runs, tools).execute()


def _may_run(run: StageRun) -> bool:
    return any(isinstance(instruction, Run) for instruction in run.stage.instructions)


def _register(session: Session, run: StageRun, tags: tuple[str, ...]) -> ImageID:
    """Makes the image known. Nothing is written when it is, under these names. Swept."""
    ctx = session.ctx
    config = finish(run.state).to_bytes()
    image_id = ImageID(sha256(config))
    c = ctx.db.read()
    if imagedb.get_image(c, image_id) is None:
        from lamina.transfer.register import register_image  # a build from the cache has its image

        session.hold([run.top.chain_id] if run.top else [])
        return register_image(ctx, config, run.state.diff_ids, tags).image_id
    if any(imagedb.get_tag(c, tag) != image_id for tag in tags):
        with ctx.db.write() as tx:
            if imagedb.get_image(tx, image_id) is None:
                raise Swept
            for tag in tags:
                imagedb.put_tag(tx, tag, image_id)
    return image_id
