"""Holder: a process that does nothing but keep a private mount namespace, and the mounts in it, alive.

An ordinary user cannot mount where the rest of the system sees it. `lamina mount` leaves a holder
behind, and /proc/PID/root/TARGET is the way in, for this user, until the holder is stopped.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from lamina.errors import Denied

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.mount.types import Mount


def start(mounts: Sequence[Mount]) -> int:
    """Make the mounts in a new mount namespace, held by a process of its own; its process ID.

    The caller must be privileged (see userns.enter). Raises OSError when a mount fails.
    """
    told, tell = os.pipe()
    middle = os.fork()
    if middle == 0:
        try:
            os.close(told)
            os.setsid()
            if os.fork() == 0:  # nobody's child: it outlives the command that made it
                _hold(mounts, tell)
        finally:
            os._exit(0)
    os.close(tell)
    os.waitpid(middle, 0)
    with os.fdopen(told, "rb") as stream:
        answer = stream.read().decode("utf-8", "surrogateescape")
    word, _, rest = answer.partition(" ")
    if word != "ok":
        number, _, message = rest.partition(" ")
        raise OSError(int(number or 0), message or "the mount holder died")
    return int(rest)


def stop(pid: int, started: int) -> bool:
    """End the holder `pid`; False when it is gone, or another process has its number by now."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if start_time(pid) != started:
            return False
        signal.pidfd_send_signal(fd, signal.SIGKILL)
    except ProcessLookupError:
        return False
    except PermissionError:
        raise Denied(f"process {pid}, which holds the mount, belongs to someone else") from None
    finally:
        os.close(fd)
    return True


def start_time(pid: int) -> int:
    """When a process began, in clock ticks since the boot: with the ID, it names one process for good.

    0 when there is no such process, or only a zombie.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])


def _hold(mounts: Sequence[Mount], tell: int) -> None:
    # ctypes, for the few commands that mount.
    from lamina.mount import syscalls
    from lamina.mount.apply import apply

    try:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount("", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE, "")
        for mount in mounts:
            apply(mount)
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)  # or /proc/PID/root would be root's alone
        null = os.open("/dev/null", os.O_RDWR)
        for fd in range(3):
            os.dup2(null, fd)
        answer = f"ok {_outer_pid()}"
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        answer = f"no {error.errno} {error.strerror}{where}"
    os.write(tell, answer.encode("utf-8", "surrogateescape"))
    os.closerange(3, 1 << 16)
    os.chdir("/")
    if answer.startswith("ok"):
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        while True:
            signal.pause()


def _outer_pid() -> int:
    """Our process ID as /proc shows it, which need not be the one of our own PID namespace."""
    return int(os.readlink("/proc/self"))
