"""Which containers run: what the rows say, set right where a process died without telling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import containerdb
from lamina.errors import NotFound
from lamina.layers.clock import now
from lamina.mount.holder import start_time

if TYPE_CHECKING:
    from lamina.containers.context import Containers
    from lamina.db.containerdb import Container

KILLED = 137  # exit code of one that died with us: 128 + SIGKILL


def is_running(container: Container) -> bool:
    """Whether its process is there, whatever the row's state says."""
    return bool(container.pid) and start_time(container.pid) == container.pid_start != 0


def is_beginning(container: Container) -> bool:
    """Whether it was made by somebody who lives and is about to run it."""
    return container.state == containerdb.CREATED and is_running(container)


def find(ctx: Containers, name: str) -> Container:
    """The container with this name or ID (or the beginning of it), with its true state. NotFound."""
    return settled(ctx, containerdb.find(ctx.layers.db.read(), name))


def settled(ctx: Containers, container: Container) -> Container:
    """The container as it is: one whose process is gone, with the Lamina that ran it, has exited."""
    if container.state != containerdb.RUNNING or is_running(container):
        return container
    return put(ctx, ended(container, KILLED))


def ended(container: Container, status: int) -> Container:
    """The row of a container that has ended."""
    return container._replace(state=containerdb.EXITED, pid=0, pid_start=0, exit_code=status, finished=now())


def put(ctx: Containers, container: Container, *, durable: bool = True) -> Container:
    """Writes the row; one that was removed meanwhile stays away."""
    try:
        with ctx.layers.db.write(durable=durable) as c:
            containerdb.update(c, container)
    except NotFound:
        pass
    return container
