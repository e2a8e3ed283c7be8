"""Forks the spawner into a PID namespace of its own."""

from __future__ import annotations

import os
import signal
import socket
import threading
from typing import NoReturn

from lamina.errors import Denied
from lamina.mount import syscalls, userns


def fork_spawner() -> tuple[socket.socket, int]:
    """(the control socket, the process ID) of a new spawner. The caller must be privileged."""
    if not userns.is_privileged():
        raise Denied("cannot run processes: this process is not root", hint="enter a user namespace first")
    single_id = userns.current_ids().single
    # The kernel sends the death signal when the forking *thread* ends: only the main one stays.
    dies_with_us = threading.current_thread() is threading.main_thread()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    helper = os.fork()
    if helper == 0:
        _clone_spawner(theirs, single_id, dies_with_us)
    theirs.close()
    answer = ours.recv(64).decode()
    os.waitpid(helper, 0)
    if not answer.isdecimal():
        ours.close()
        raise Denied(f"cannot make a PID namespace: {answer or 'the process that should do it died'}")
    return ours, int(answer)


def _clone_spawner(control: socket.socket, single_id: bool, dies_with_us: bool) -> NoReturn:
    """In a child that has one thread, whatever its parent has: clone the spawner as a sibling, and end.

    Our own process cannot do it: unshare would put its other children into the namespace too.
    """
    try:
        pid, _ = syscalls.clone(syscalls.CLONE_NEWPID | syscalls.CLONE_PARENT, signal.SIGCHLD)
        if pid == 0:
            _be_spawner(control, single_id, dies_with_us)
        control.send(str(pid).encode())
    except OSError as error:
        control.send((error.strerror or "unknown error").encode())
    finally:
        os._exit(0)


def _be_spawner(control: socket.socket, single_id: bool, dies_with_us: bool) -> NoReturn:
    try:
        if dies_with_us:
            syscalls.die_with_parent()
        os.setsid()  # Ctrl-C is for Lamina, which decides what becomes of the processes
        null = os.open("/dev/null", os.O_RDWR)
        for fd in range(3):
            os.dup2(null, fd)
        if control.fileno() != 3:
            os.dup2(control.detach(), 3, inheritable=False)
            control = socket.socket(fileno=3)
        syscalls.close_range(4)
        # What only the spawner needs is imported on its side of the fork.
        from lamina.sandbox import spawner

        spawner.serve(control, single_id)
    finally:
        os._exit(1)
