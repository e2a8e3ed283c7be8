"""RUN: one process over the stage's layers, its output as it comes, and what it changed as a layer."""

from __future__ import annotations

import os
import select
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, cast

from lamina.build.builtin import hostname
from lamina.build.errors import BuildFailed
from lamina.build.session import show
from lamina.build.tracing import Again, Tracing, begin
from lamina.errors import LaminaError, ProcessFailed
from lamina.events import StepOutput
from lamina.graph.runs import SCRIPTS
from lamina.layers.capture import capture
from lamina.mount.types import Mount
from lamina.sandbox.spec import SHM_SIZE, ProcessSpec
from lamina.sandbox.waiting import wait_for
from lamina.store.files import remove_tree
from lamina.store.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.build.adopting import Adoption
    from lamina.build.cancel import Cancel
    from lamina.build.mounting import Mounted, Mounter
    from lamina.build.session import Tools
    from lamina.build.stagerun import StageRun, Work
    from lamina.graph.ops import RunOp, Script
    from lamina.layers.lookup import Lookup
    from lamina.sandbox.protocol import Process

_CHUNK = 1 << 16
_TAIL = 1 << 14  # bytes of output that an error keeps
_FAILED = "the recorder failed"
_AGAIN = b"lamina: the recorder of what the step reads failed: running it again without\n"


class Ended(NamedTuple):
    """How a process ended, and the end of its output."""

    status: int
    tail: bytes
    stubs: tuple[bytes, ...]


def run_layer(
    run: StageRun,
    work: Work,
    tools: Tools,
    points: str,
    cancel: Cancel,
    adoption: Adoption,
    mounter: Mounter | None,
) -> None:
    """Runs the process of a RUN and commits what it changed. BuildFailed when its status is not 0.

    `points` is a folder of mount points, to lie below the layers. `mounter` is there when it has mounts.
    """
    below = run.lookup()
    tracing = begin(run, work, tools, below)
    adoption.seen = tracing.seen
    try:
        _attempt(run, work, tools, points, cancel, adoption, mounter, below, tracing)
    except Again as again:
        run.session.observer(StepOutput(work.number, _AGAIN, True))
        adoption.seen = (tracing := Tracing(None, str(again))).seen
        _attempt(run, work, tools, points, cancel, adoption, mounter, below, tracing)
    finally:
        tracing.close()


def _attempt(
    run: StageRun,
    work: Work,
    tools: Tools,
    points: str,
    cancel: Cancel,
    adoption: Adoption,
    mounter: Mounter | None,
    below: Lookup,
    tracing: Tracing,
) -> None:
    ctx = run.session.ctx
    key = ctx.lease.temp_name()
    try:
        parents = [*(ctx.layout.diff_dir(diff_id) for diff_id in run.chain()), points]
        tools.snapshotter.prepare(key, parents, volatile=True)
        try:
            if mounter is None:
                ended = _run(run, work, tools, cancel, key, tracing)
            else:
                with mounter.mounted(run, work, tools, cancel) as mounted:
                    ended = _run(run, work, tools, cancel, key, tracing, mounted)
        except LaminaError as error:
            if tracing.failed():
                raise Again(_FAILED) from None
            if not isinstance(error, ProcessFailed):
                raise
            failure = _failed(run, work, error.status, b"", error.message)
            raise _kept(run, work, tools, key, (), failure) from None
        if ended.status:
            cancel.check()  # killed because another step failed: that one is to be reported
            if tracing.failed():
                raise Again(_FAILED)
            raise _kept(run, work, tools, key, ended.stubs, _failed(run, work, ended.status, ended.tail))
        tracing.ended()
        epoch = run.state.scope.epoch
        latest = None if epoch is None else epoch * 1_000_000_000
        capture(ctx, tools.snapshotter, key, below, stubs=ended.stubs, latest=latest, also=adoption)
    finally:
        tools.snapshotter.remove(key)


def _kept(
    run: StageRun, work: Work, tools: Tools, key: str, stubs: tuple[bytes, ...], failure: BuildFailed
) -> BuildFailed:
    from lamina.build.failed import keep  # only for a step that fails

    return keep(run, work, tools.snapshotter, key, stubs, failure)


def _failed(run: StageRun, work: Work, status: int, output: bytes, detail: str = "") -> BuildFailed:
    name, line = run.session.plan.dockerfile.name, work.instruction.source.start_line
    advice = ""
    if detail.endswith("exec format error"):
        from lamina.build.foreign import exec_hint  # only when the kernel does not know the program

        advice = exec_hint(run.state.scope.platform)
    return BuildFailed(name, line, show(work.instruction, run.stage), status, output, detail, advice)


def _run(
    run: StageRun,
    work: Work,
    tools: Tools,
    cancel: Cancel,
    key: str,
    tracing: Tracing,
    mounted: Mounted | None = None,
) -> Ended:
    op = cast("RunOp", work.op)
    layout = run.session.ctx.layout
    target = layout.snapshot_dir(key)
    mounts: tuple[Mount, ...] = ()
    scripts = f"{layout.mnt}/{run.session.ctx.lease.temp_name()}"
    try:
        if op.script:
            _write_script(scripts, op.script)
            mounts = (Mount("bind", SCRIPTS, scripts, read_only=True),)
        request = run.session.request
        spec = ProcessSpec(
            args=op.args,
            root=tools.snapshotter.mounts(key, target),
            env=(*((name, value) for name, value, _ in op.env), *op.proxies),
            cwd=op.cwd,
            user=op.user,
            hostname=hostname(request.build_args),
            network=op.network,
            mounts=mounts,
            tmpfs_shm=request.shm_size or SHM_SIZE,
            extra_hosts=request.add_hosts,
            ulimits=request.ulimits,
            security=op.security,
        )
        if mounted is not None:
            spec = mounted.added_to(spec)
        return _follow(
            spec,
            tools,
            cancel,
            lambda data, err: run.session.observer(StepOutput(work.number, data, err)),
            tracing,
        )
    finally:
        if op.script:
            remove_tree(scripts)


def _write_script(folder: str, script: Script) -> None:
    """Lays a here-document ready that is a program itself."""
    with guard(folder):
        os.mkdir(folder, 0o755)
        path = f"{folder}/{script.name}"
        with open(path, "xb") as file:
            file.write(script.content.encode(errors="surrogateescape"))
        os.chmod(path, 0o755)


def _follow(
    spec: ProcessSpec,
    tools: Tools,
    cancel: Cancel,
    report: Callable[[bytes, bool], object],
    tracing: Tracing,
) -> Ended:
    """Starts a process and passes its output on until it has ended."""
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    out, out_theirs = os.pipe()
    err, err_theirs = os.pipe()
    try:
        try:
            with tracing.root(spec.root) as root:
                spec = replace(spec, identity=tracing.identity)
                process = tools.runtime.start(spec, null, out_theirs, err_theirs, root)
        finally:
            for fd in (null, out_theirs, err_theirs):
                os.close(fd)
        try:
            with cancel.killing(process):
                tail = _read_all(process, {out: False, err: True}, report)
                return Ended(process.wait(), tail, process.stubs)
        finally:
            process.close()
    finally:
        os.close(out)
        os.close(err)


def _read_all(process: Process, pipes: dict[int, bool], report: Callable[[bytes, bool], object]) -> bytes:
    """Reads both pipes to their ends; returns the end of what came."""
    poller = select.poll()
    for fd in pipes:
        poller.register(fd, select.POLLIN)
    tail = b""
    left = len(pipes)
    while left:
        for fd, _ in wait_for(poller):
            data = os.read(fd, _CHUNK)
            if data:
                report(data, pipes[fd])
                tail = (tail + data)[-_TAIL:]
            else:
                poller.unregister(fd)
                left -= 1
    return tail
