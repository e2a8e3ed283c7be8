"""run: a container from its creation to its end."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from lamina.containers import creating, remove, state, volumes
from lamina.containers.forwarding import forwarding
from lamina.containers.pump import Route, pump
from lamina.containers.request import RunResult
from lamina.containers.stdio import Stdio
from lamina.db import containerdb
from lamina.errors import ProcessFailed
from lamina.layers.clock import now
from lamina.mount.holder import start_time
from lamina.sandbox.spec import ProcessSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.containers.context import Containers
    from lamina.containers.creating import Created
    from lamina.containers.forwarding import Forwarder
    from lamina.containers.request import RunRequest
    from lamina.containers.settings import Settings
    from lamina.sandbox.protocol import Process


def run(ctx: Containers, request: RunRequest, stdio: Stdio | None = None) -> RunResult:
    """Creates a container, runs it on `stdio` (this process's own without), and waits for its end.

    Errors as in `creating.create`; ProcessFailed with status 126 or 127 when its program cannot be run.
    """
    # The spawner is forked before anything else is loaded or opened.
    ctx.runtime()
    created = creating.create(ctx, request)
    try:
        status = _run(ctx, created, stdio or Stdio())
    finally:
        if request.remove:
            remove.remove(ctx, created.row.id, force=True)
    return RunResult(created.row.id, created.row.name, status)


def _run(ctx: Containers, created: Created, stdio: Stdio) -> int:
    row, settings = created
    with ExitStack() as stack:
        streams = stack.enter_context(_streams(settings, stdio))
        spec = _spec(ctx, created, _window(stdio) if settings.tty else (0, 0))
        # Before the start: a signal must not end us and leave out what we are about to start.
        forwarder = stack.enter_context(forwarding(stdio.forward_signals))
        try:
            process = ctx.runtime().start(spec, *streams.given)
        except ProcessFailed as error:
            state.put(ctx, state.ended(row, error.status))
            raise
        stack.callback(process.close)
        forwarder.to(process)
        streams.close_given()
        row = row._replace(
            state=containerdb.RUNNING,
            pid=process.pid,
            pid_start=start_time(process.pid),
            started=now(),
            config_json=settings._replace(stubs=tuple(map(os.fsdecode, process.stubs))).to_text(),
        )
        state.put(ctx, row, durable=False)
        with ctx.layers.lease.idle():  # its row keeps all that the container needs
            status = _follow(process, streams.routes, stdio, forwarder)
        state.put(ctx, state.ended(row, status))
    return status


def _spec(ctx: Containers, created: Created, window: tuple[int, int]) -> ProcessSpec:
    row, settings = created
    target = ctx.layers.layout.snapshot_dir(row.id)
    return ProcessSpec(
        args=settings.args,
        root=creating.snapshotter_of(ctx, row).mounts(row.id, target),
        env=tuple(settings.environment().items()),
        cwd=settings.config.working_dir or "/",
        user=settings.config.user,
        hostname=settings.hostname,
        network=settings.network,
        mounts=volumes.parse(settings.volumes, settings.tmpfs),
        read_only=settings.read_only,
        tmpfs_shm=settings.shm_size,
        extra_hosts=settings.add_hosts,
        ulimits=settings.ulimits,
        terminal=settings.tty,
        window=window,
    )


def _follow(process: Process, routes: list[Route], stdio: Stdio, forwarder: Forwarder) -> int:
    """Passes bytes on until the end; the exit status."""
    master = process.terminal
    if master is not None:
        routes = [*routes, Route(master, stdio.stdout, into_process=False)]
        for route in routes:
            if route.sink < 0:
                route.sink = master
        forwarder.resized = partial(_follow_size, master, stdio)
    try:
        pump(process, routes)
        return process.wait()
    finally:
        forwarder.resized = None
        if master is not None:
            os.close(master)


class _Streams:
    """What the process gets, and how it is joined to what we have."""

    def __init__(self) -> None:
        self.given = [-1, -1, -1]
        self.routes: list[Route] = []
        self.to_close: list[int] = []

    def close_given(self) -> None:
        """Close our copies of the process's ends: only then do we see when it has closed them."""
        while self.to_close:
            os.close(self.to_close.pop())


@contextmanager
def _streams(settings: Settings, stdio: Stdio) -> Iterator[_Streams]:
    """Pipes are handed on as they are. Everything else stays ours: root in the container could open a file of
    the host again, to write where we only read, or change its mode and owner.
    """
    streams = _Streams()
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    streams.to_close.append(null)
    try:
        for number, fd in enumerate(stdio[:3]):
            if settings.tty or (number == 0 and not settings.interactive):
                streams.given[number] = null
            elif _is_pipe_or_null(fd):
                streams.given[number] = fd
            else:
                _through_pipe(streams, number, fd)
        if settings.tty and settings.interactive:
            streams.routes.append(Route(stdio.stdin, -1, into_process=True))  # the terminal comes later
        yield streams
    finally:
        streams.close_given()
        for route in streams.routes:
            route.finish()


def _through_pipe(streams: _Streams, number: int, fd: int) -> None:
    read_end, write_end = os.pipe()
    if number == 0:
        streams.given[0] = read_end
        streams.to_close.append(read_end)
        streams.routes.append(Route(fd, write_end, into_process=True, owned=True))
    else:
        streams.given[number] = write_end
        streams.to_close.append(write_end)
        streams.routes.append(Route(read_end, fd, into_process=False, owned=True))


def _is_pipe_or_null(fd: int) -> bool:
    """Whether it is no file of the host: nameless, or the null device, which the runtime replaces."""
    info = os.fstat(fd)
    if stat.S_ISCHR(info.st_mode):
        return info.st_rdev == os.makedev(1, 3)
    return os.readlink(f"/proc/self/fd/{fd}").startswith("pipe:[")


def _window(stdio: Stdio) -> tuple[int, int]:
    """Rows and columns of our terminal; (0, 0) without one."""
    try:
        columns, rows = os.get_terminal_size(stdio.stdout)
    except OSError:
        return (0, 0)
    return (rows, columns)


def _follow_size(master: int, stdio: Stdio) -> None:
    """Gives the container's terminal the size of ours."""
    from lamina.sandbox.terminal import resize  # fcntl and termios, for terminals only

    resize(master, _window(stdio))
