"""The spawner: a small process that clones the processes of all steps, and reaps them.

It is forked once, early, because cloning a process costs in proportion to its memory. It is the init
of a PID namespace of its own: when it dies, for whatever reason, the kernel kills all that it started.

One clone always waits, in namespaces of its own and with everything prepared that does not depend on
the request; that one takes the next packet from the control socket and tells the spawner over its link;
a little later another is made. The end of the control socket is the end of the spawner.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
from typing import NamedTuple, NoReturn

from lamina.mount import syscalls
from lamina.sandbox import child, wire

_NAMESPACES = syscalls.CLONE_NEWPID | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS
_PAUSE = 20  # milliseconds before another clone is made, when nothing calls for one
_MOST_FAILURES = 5  # clones in a row that died before they took a request


class _Clone(NamedTuple):
    pid: int
    pidfd: int
    link: socket.socket


def serve(control: socket.socket, single_id: bool) -> NoReturn:
    """Answer requests until the other end is closed."""
    _settle()
    _Spawner(control, child.Tools.make(single_id)).run()


def _settle() -> None:
    """Quiet, default signals, and no garbage collections, which would touch and so copy every page."""
    gc.disable()
    gc.freeze()
    os.chdir("/")
    os.umask(0)  # the modes of what is made for a process are said in full
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


class _Spawner:
    def __init__(self, control: socket.socket, tools: child.Tools) -> None:
        self._control = control
        self._tools = tools
        self._running: dict[int, tuple[int, socket.socket]] = {}  # pidfd: (pid, status socket)
        self._poller = select.poll()
        self._failures = 0
        self._waiting: _Clone | None = None

    def run(self) -> NoReturn:
        """The loop: what happens to the waiting clone, and the ends of those that run."""
        self._poller.register(self._control, 0)
        self._make_clone()
        while True:
            missing = self._waiting is None
            for fd, event in self._poller.poll(_PAUSE if missing else None):
                if fd == self._control.fileno():
                    if event & select.POLLHUP:
                        os._exit(0)
                elif self._waiting and fd == self._waiting.link.fileno():
                    self._taken(self._waiting)
                elif fd in self._running:
                    self._reap(fd)
            # A new clone would take the processor from the process that has just begun: not before that
            # ends, or another request is there, or a while has passed.
            if missing:
                self._make_clone()

    def _make_clone(self) -> None:
        link, other_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            pid, pidfd = syscalls.clone(_NAMESPACES, signal.SIGCHLD)
        except OSError as error:
            self._refuse_all(error)
        if pid == 0:
            link.close()
            child.await_request(self._control, other_end, self._tools)
        other_end.close()
        self._poller.register(link, select.POLLIN)
        self._poller.modify(self._control, 0)  # its end only: requests are the clone's
        self._waiting = _Clone(pid, pidfd, link)

    def _taken(self, clone: _Clone) -> None:
        """The clone took a request, or died: it has another life now, and a status socket."""
        self._waiting = None
        self._poller.modify(self._control, select.POLLIN)
        self._poller.unregister(clone.link)
        _, fds, _, _ = socket.recv_fds(clone.link, 16, 2)
        clone.link.close()
        if len(fds) != 2:
            self._failures += 1
            os.waitpid(clone.pid, 0)
            os.close(clone.pidfd)
            if self._failures >= _MOST_FAILURES:
                os._exit(1)
            return
        self._failures = 0
        status = socket.socket(fileno=fds[0])
        try:
            socket.send_fds(status, [wire.STARTED], [clone.pidfd, fds[1]])
        except OSError:
            pass  # who asked has gone; it is killed when they are, and reaped
        os.close(fds[1])
        self._running[clone.pidfd] = (clone.pid, status)
        self._poller.register(clone.pidfd, select.POLLIN)

    def _reap(self, pidfd: int) -> None:
        self._poller.unregister(pidfd)
        pid, status = self._running.pop(pidfd)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        try:
            status.send(wire.STATUS.pack(code if code >= 0 else 128 - code))
        except OSError:
            pass
        status.close()
        os.close(pidfd)

    def _refuse_all(self, error: OSError) -> NoReturn:
        """The kernel makes no more namespaces: say so to whoever asks."""
        while True:
            data, fds, _, _ = socket.recv_fds(self._control, 16, child.DESCRIPTORS)
            if not data:
                os._exit(0)
            child.complain(fds[1], error, "cannot make the namespaces of the process")
            for fd in fds:
                os.close(fd)
