"""What a step of a recorded build left, as something to run in or to look at."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from lamina.build import failed, stepstate, trimming
from lamina.db import cachedb, layerdb, leases, recorded
from lamina.engine import joined
from lamina.engine.passing import make_image, remove_image
from lamina.errors import Conflict, InvalidInput, NotFound
from lamina.oci.config import History, ImageConfig, RootFS, container_from_json
from lamina.oci.digest import ChainID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.build.stepstate import StepState
    from lamina.containers.changes import ContainerChange
    from lamina.containers.request import RunRequest, RunResult
    from lamina.containers.stdio import Stdio
    from lamina.db.layerdb import Layer
    from lamina.db.recorded import Build, BuildStep
    from lamina.engine.opened import Opened
    from lamina.events import Observer
    from lamina.oci.digest import ImageID


class StepRef(NamedTuple):
    """One step of one build: `step` is its number, 0 for the one that failed; `before`: what it stood on."""

    build: str = ""  # "": the last build (of those that failed, for step 0)
    step: int = 0
    before: bool = False


def run_step(
    opened: Opened, ref: StepRef, request: RunRequest, stdio: Stdio | None, observer: Observer
) -> RunResult:
    """See Records.run."""
    from lamina.containers.run import run

    opened.runtime  # noqa: B018  the spawner is forked before anything else is loaded or opened
    build, steps, step = find(opened, ref)
    chain = _chain_after(opened, build, steps, step, before=ref.before)
    state = stepstate.parse(step.state)
    image_id = _image(opened, state, step, chain)
    try:
        with ExitStack() as stack:
            request = _request(request, state, image_id)
            if state.mounts:
                from lamina.engine.stepmounts import mounted  # few steps have any

                request = stack.enter_context(mounted(opened.ctx, state.mounts, request, observer))
            return run(joined.containers_of(opened), request, stdio)
    finally:
        if request.remove:
            remove_image(opened, image_id)


def diff_step(opened: Opened, ref: StepRef) -> Sequence[ContainerChange]:
    """See Records.diff."""
    from lamina.containers.changes import listed
    from lamina.layers.lookup import Lookup

    build, steps, step = find(opened, ref)
    if step.place == 1:
        raise InvalidInput(
            f"step {step.step} is {step.text.split()[0]}: it changed nothing",
            hint="`lamina layers IMAGE` shows the layers of the image that it starts from",
        )
    chain = _chain_after(opened, build, steps, step, before=False)
    *below, top = _layers(opened, step, chain)
    parent = Lookup(opened.ctx, [layer.diff_id for layer in reversed(below)])
    return listed(cachedb.files(opened.ctx.db.read(), top.diff_id), parent)


class StepFiles(NamedTuple):
    """What there was before or after a step: its layers, bottom first, and the config so far."""

    layers: tuple[Layer, ...]
    config: ImageConfig


def around(opened: Opened, ref: StepRef) -> tuple[str, StepFiles, StepFiles]:
    """What to call a step, what it stood on, and what it left. NotFound. Of a FROM both are the same."""
    build, steps, step = find(opened, ref)
    name = f"{build.id}#{step.step}"
    after = _files(opened, step, step, _chain_after(opened, build, steps, step, before=False))
    if step.place == 1:
        return name, after, after
    last = next(one for one in steps if one.step == step.step - 1)
    before = _files(opened, step, last, _chain_after(opened, build, steps, step, before=True))
    return name, before, after


def _files(opened: Opened, step: BuildStep, last: BuildStep, chain: ChainID | None) -> StepFiles:
    state = stepstate.parse(last.state)
    config = container_from_json(state.config)
    layers = tuple(_layers(opened, step, chain))
    image = ImageConfig(state.architecture, state.os, config=config, variant=state.variant)
    return StepFiles(layers, image)


def find(opened: Opened, ref: StepRef) -> tuple[Build, list[BuildStep], BuildStep]:
    """The build, its steps, and the step that is meant. NotFound."""
    c = opened.ctx.db.read()
    build = recorded.find(c, ref.build) if ref.step else recorded.find_failed(c, ref.build)
    steps = recorded.steps(c, build.id)
    for step in steps:
        if step.step == ref.step or (not ref.step and step.status == "failed"):
            return build, steps, step
    if ref.step:
        raise NotFound(
            f"build {build.id} has no step {ref.step}", hint=f"`lamina build show {build.id}` lists its steps"
        )
    raise NotFound(f"no step of build {build.id} failed", hint="`--step N` starts after any step")


def remove_builds(opened: Opened, refs: Sequence[str] | None) -> list[str]:
    """See Records.remove. Conflict for one that runs."""
    ctx = opened.ctx
    trimming.settle(ctx)
    c = ctx.db.read()
    if refs is None:
        found = [build for build in recorded.builds(c) if build.status != recorded.RUNNING]
    else:
        found = [recorded.find(c, ref) for ref in refs]
    for build in found:
        if build.status == recorded.RUNNING:
            raise Conflict(f"build {build.id} is running", hint="wait for its end, or stop it")
    ids = list(dict.fromkeys(build.id for build in found))
    failed.remove_of(ctx, ids)
    trimming.remove(ctx, ids)
    return ids


def _chain_after(
    opened: Opened, build: Build, steps: Sequence[BuildStep], step: BuildStep, *, before: bool
) -> ChainID | None:
    """The layers that a process after the step sees. NotFound."""
    if before:
        if step.place == 1:
            raise InvalidInput(f"step {step.step} is the first of its stage: there is nothing before it")
        # a failed step's own chain is what it stood on, until it has become a layer
        step = next(one for one in steps if one.step == step.step - 1)
    if step.status == "failed":
        return failed.chain_of(opened.ctx, build.id, step)
    if step.status not in ("cached", "run"):
        raise NotFound(
            f"step {step.step} of build {build.id} made nothing: it is {step.status}",
            hint=f"`lamina build show {build.id}` lists its steps",
        )
    return ChainID(step.chain_id) if step.chain_id else None


def _layers(opened: Opened, step: BuildStep, chain: ChainID | None) -> list[Layer]:
    """The rows of these layers, bottom first; held from now on. NotFound when they were pruned."""
    ctx = opened.ctx
    try:
        with ctx.db.write(durable=False) as tx:
            if chain is not None:
                leases.hold(tx, ctx.lease.id, leases.LAYER, chain)
            return layerdb.chain(tx, chain)
    except NotFound:
        raise NotFound(
            f"the layer of step {step.step} is not in the store any more", hint="it was pruned: build again"
        ) from None


def _image(opened: Opened, state: StepState, step: BuildStep, chain: ChainID | None) -> ImageID:
    """An image, which has no name, of what the stage was at that step."""
    layers = _layers(opened, step, chain)
    image = ImageConfig(
        state.architecture,
        state.os,
        RootFS(tuple([layer.diff_id for layer in layers])),
        container_from_json(state.config),
        tuple([History(layer.created, layer.created_by) for layer in layers]),
        layers[-1].created if layers else "",
        variant=state.variant,
    )
    return make_image(opened.ctx, image)


def _request(request: RunRequest, state: StepState, image_id: ImageID) -> RunRequest:
    """What is run: the request's words, else the step's."""
    given = {item.partition("=")[0] for item in request.env}
    env = tuple([item for item in state.env if item.partition("=")[0] not in given])
    alone = not request.command and request.entrypoint is None
    return request._replace(
        image=image_id,
        command=(state.shell,) if alone else request.command,
        entrypoint=request.entrypoint or (),
        env=(*env, *request.env),
        workdir=request.workdir or state.cwd,
        user=request.user or state.user,
        network=request.network or state.network,
    )
