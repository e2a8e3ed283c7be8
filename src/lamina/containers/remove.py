"""remove: a container with its writable layer and its mounts; prune: all that do not run."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from lamina.containers import creating, mounting, state
from lamina.db import containerdb
from lamina.errors import Conflict, Denied

if TYPE_CHECKING:
    from lamina.containers.context import Containers
    from lamina.db.containerdb import Container


def remove(ctx: Containers, name: str, *, force: bool = False) -> str:
    """Removes a container; its whole ID. Conflict when it runs, unless `force`, which kills it. NotFound."""
    row = state.find(ctx, name)
    if row.state == containerdb.RUNNING:
        if not force:
            raise Conflict(
                f'cannot remove container "/{row.name}": container is running: '
                "stop the container before removing or force remove"
            )
        _kill(row)
    _remove(ctx, row)
    return row.id


def prune(ctx: Containers) -> tuple[tuple[str, ...], int]:
    """Removes every container that does not run: (their IDs, the bytes that became free)."""
    gone = []
    size = 0
    for found in containerdb.containers(ctx.layers.db.read()):
        row = state.settled(ctx, found)
        if row.state != containerdb.RUNNING and not state.is_beginning(row):
            size += size_of(ctx, row)
            _remove(ctx, row)
            gone.append(row.id)
    return tuple(gone), size


def size_of(ctx: Containers, row: Container) -> int:
    """Bytes in the container's writable layer."""
    return creating.snapshotter_of(ctx, row).usage(row.id).size


def _remove(ctx: Containers, row: Container) -> None:
    """The files go first: a row without them can be removed again, files without a row would be lost."""
    mounting.umount_if_mounted(ctx, row.id)
    creating.snapshotter_of(ctx, row).remove(row.id)
    with ctx.layers.db.write() as c:
        containerdb.delete(c, row.id)


def _kill(row: Container) -> None:
    """Kill the container's first process, and so all of it, and wait until it is gone."""
    import select

    try:
        fd = os.pidfd_open(row.pid)
    except ProcessLookupError:
        return
    try:
        if state.is_running(row):
            _signal(fd, row.pid)
            poller = select.poll()
            poller.register(fd, select.POLLIN)
            poller.poll()
    except ProcessLookupError:
        pass
    except PermissionError:
        raise Denied(f"cannot kill process {row.pid} of container {row.name}") from None
    finally:
        os.close(fd)


def _signal(fd: int, pid: int) -> None:
    """Send SIGKILL; `fd` is the pidfd of `pid`. PermissionError.

    What another command of the same ordinary user started lives in the user namespace of that command,
    where we are nobody. Its user has the same number here, for both maps are those of /etc/subuid.
    """
    try:
        signal.pidfd_send_signal(fd, signal.SIGKILL)
    except PermissionError:
        uid = _user_of(pid)
        if uid == os.getuid():
            raise
    else:
        return
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setresuid(uid, uid, uid)
            signal.pidfd_send_signal(fd, signal.SIGKILL)
            status = 0
        finally:
            os._exit(status)
    if os.waitpid(child, 0)[1]:
        raise PermissionError


def _user_of(pid: int) -> int:
    with open(f"/proc/{pid}/status", "rb") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(b"Uid:"))
