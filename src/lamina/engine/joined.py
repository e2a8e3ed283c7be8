"""Use cases that need more than one room below the engine, joined. Rooms are imported where they are used."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.build.plan import BuildPlan
    from lamina.build.request import BuildRequest, BuildResult
    from lamina.build.session import Tools
    from lamina.containers.context import Containers
    from lamina.engine.base import Inside
    from lamina.engine.opened import Opened
    from lamina.events import Observer
    from lamina.insight.containers import ContainerSummary
    from lamina.insight.packages.owners import Owner
    from lamina.insight.pruned import Pruned
    from lamina.insight.rows import Rows
    from lamina.oci.digest import ImageID
    from lamina.oci.platform import Platform


def containers_of(opened: Opened) -> Containers:
    """What the room `containers` works on."""
    from lamina.containers.context import Containers

    return Containers(opened.ctx, lambda: opened.snapshotter, lambda: opened.runtime)


def listed(opened: Opened, *, all: bool, size: bool) -> list[ContainerSummary]:
    """Containers as they are now, with the sizes of their writable layers where asked for."""
    from lamina.containers.listing import listing
    from lamina.insight.containers import summary

    found = listing(containers_of(opened), all=all, size=size)
    return [summary(opened.rows, one.row)._replace(size=one.size) for one in found]


def build(opened: Opened, request: BuildRequest, observer: Observer) -> BuildResult:
    """A build, then the outputs that were asked for."""
    from lamina.build import build as builds
    from lamina.oci.platform import host

    def tools() -> Tools:
        from lamina.graph.rules import UNTOUCHED  # a build from the cache runs nothing

        return opened.tools(traced=UNTOUCHED not in request.rules_off)

    def approve(brought: BuildRequest) -> None:
        opened.brought = brought
        _check_first(lambda: opened.rows, brought)

    opened.tell = observer
    outputs = None
    if request.output or not request.is_plain:
        from lamina.engine.outputs import Outputs  # with all that writes archives

        outputs = Outputs(opened.ctx, request, observer, opened.registries)
    machine = host(os.uname().machine)
    result = builds.build(
        opened.ctx,
        request,
        machine,
        observer,
        opened.enter,
        tools,
        approve,
        opened.registries,
    )
    if outputs is not None:
        from lamina.build.outcome import Outcome

        opened.enter()
        with Outcome(opened.ctx, result.build_id):
            result = outputs.deliver(result).without_notes()
    return result


def plan(opened: Opened, request: BuildRequest) -> BuildPlan:
    """What a build would do. The store is asked and not changed, whoever it belongs to."""
    from lamina.build import planning
    from lamina.build.planrun import NoFetcher
    from lamina.insight.rows import Rows
    from lamina.layers.planned import PlannedLayers
    from lamina.oci.platform import host

    ctx = PlannedLayers.of(opened.layout, NoFetcher)

    def approve(brought: BuildRequest) -> None:
        _check_first(lambda: Rows(ctx.db.read(), ctx.blobs, ctx.layout), brought)

    try:
        return planning.plan(ctx, request, host(os.uname().machine), opened.registries, approve)
    finally:
        ctx.db.close()


def fetch(opened: Opened, image_id: ImageID) -> int:
    """Brings the layers of an image that are elsewhere; how many these were."""
    from lamina.db import imagedb
    from lamina.layers.absent import absent, bring

    ctx = opened.ctx
    missing = absent(ctx, imagedb.diff_ids_of(ctx.db.read(), image_id))
    if missing:
        from lamina.transfer.find import hold  # for most there is nothing to do

        hold(ctx, image_id)
        bring(ctx, missing)
    return len(missing)


def image_id(rows: Rows, name: str, wanted: str = "") -> ImageID:
    """The image with this name or ID; of an index the one for the platform `wanted`, else for this machine.

    NotFound, Conflict, InvalidInput.
    """
    from lamina.db.names import for_platform, resolve_image

    c = rows.connection
    found, only = resolve_image(c, name), platform(wanted)
    return (for_platform(c, found, only) if only else found).image_id


def platform(text: str) -> Platform | None:
    """The platform that --platform names, None for ""."""
    if not text:
        return None
    from lamina.oci import platform as platforms

    return platforms.parse(text, platforms.host(os.uname().machine))


def _check_first(rows: Callable[[], Rows], request: BuildRequest) -> None:
    """Refuses a Dockerfile that wants to fail on warnings, and has some. LintViolation, InvalidInput."""
    directive = _check_directive(request.dockerfile)
    if not directive and "BUILDKIT_DOCKERFILE_CHECK" not in request.build_args:
        return
    from lamina.dockerfile.lint.options import options_of  # only for a Dockerfile that speaks of checks

    try:
        fails = options_of({"check": directive}, request.build_args).error
    except InvalidInput:
        from lamina.dockerfile import parse
        from lamina.dockerfile.lint.options import build_options

        build_options(parse(request.dockerfile, request.dockerfile_name), request.build_args)  # says where
        raise
    if fails:
        from lamina.engine.checking import refuse_violations

        refuse_violations(rows(), request)


def _check_directive(dockerfile: bytes) -> str:
    """What `# check=` says among the directives at the top, "" if there is none."""
    for line in dockerfile.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        comment, mark, text = line.partition(b"#")
        name, _, value = text.partition(b"=")
        name = name.strip().lower()
        if comment.strip() or not mark or name not in (b"check", b"escape", b"syntax"):
            break
        if name == b"check":
            return value.strip().decode(errors="replace")
    return ""


def prune(opened: Opened, containers: bool, dangling: bool, all_images: bool, cache: bool) -> Pruned:
    """Containers that do not run, then what a sweep takes."""
    from lamina.containers import remove
    from lamina.gc.context import Context
    from lamina.gc.sweep import sweep
    from lamina.insight.pruned import Pruned
    from lamina.serving.expiry import expire

    let_go(opened)
    kept = 0
    if cache:
        from lamina.build import failed, trimming

        trimming.remove_strays(opened.ctx)
        kept = failed.remove_all(opened.ctx)
    expire(opened.ctx)
    gone = remove.prune(containers_of(opened)) if containers else ((), 0)
    freed = sweep(Context(*opened.ctx), cache=cache, all_images=all_images, dangling=dangling)
    size = freed.bytes + gone[1] + kept
    return Pruned(gone[0], freed.untagged, freed.images, freed.steps, size, freed.mounts)


def expire_blobs(opened: Opened) -> None:
    """Removes what only a manifest of the registry that was served named, and no other does now."""
    from lamina.gc.collect import collect
    from lamina.gc.context import Context
    from lamina.serving.expiry import expire

    if expire(opened.ctx):
        collect(Context(*opened.ctx))


def let_go(opened: Opened) -> None:
    """Ends what earlier work of this Engine held: it is done, and rows refer to all of it that must stay."""
    from lamina.db import leases

    with opened.ctx.db.write(durable=False) as tx:
        leases.drop(tx, [opened.ctx.lease.id])


def owners(inside: Inside, image_id: ImageID, observer: Observer) -> dict[bytes, Owner]:
    """Which package owns which path of an image. Files of layers are read."""

    def work(opened: Opened, tell: Observer, _: BinaryIO | None) -> dict[bytes, Owner]:
        from lamina.engine.reading import reading
        from lamina.insight.config import config_of
        from lamina.insight.packages.owners import owners

        with reading(opened) as ctx:
            return owners(ctx, config_of(opened.rows, image_id).diff_ids, tell)

    return inside(work, observer)
