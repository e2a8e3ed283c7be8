"""The server: a small process, forked early, that makes the daemons of all recordings.

One daemon always waits, connected to /dev/fuse and to the database; that one takes the next request from the
control socket, which brings a socket of its own for the recording. A little later another is made. The end of
the control socket is the end of the server, and the end of a recording's socket that of its daemon.

It is a fork of a process that has the database open. SQLite remembers that connection in here too, and locks
by its files: so those stay open, and whoever forks is in no transaction and lives longer. The daemons have
connections of their own.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
from typing import TYPE_CHECKING, NoReturn

from lamina.mount import syscalls
from lamina.oci.digest import DiffID
from lamina.trace.wire import REQUEST_SIZE

if TYPE_CHECKING:
    from lamina.trace.wire import Setting

_PAUSE = 50  # milliseconds before another daemon is made
_MOST_FAILURES = 5  # daemons in a row that died before they took a request


def fork_server(setting: Setting, *, dies_with_us: bool) -> tuple[socket.socket, int]:
    """(the control socket, the process ID) of a new server."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid:
        theirs.close()
        return ours, pid
    try:
        if dies_with_us:
            syscalls.die_with_parent()
        _settle(theirs, setting)
        _serve(theirs, setting)
    finally:
        os._exit(1)


def _settle(control: socket.socket, setting: Setting) -> None:
    """Alone: no descriptors of others, no terminal, default signals, no garbage collections."""
    gc.disable()
    gc.freeze()
    os.setsid()
    os.chdir("/")
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    kept = _files_of(setting.database)
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            if fd > 2 and fd != control.fileno() and _file(os.fstat(fd)) not in kept:
                os.close(fd)
        except OSError:
            pass  # the one that listed them


def _files_of(database: str) -> set[tuple[int, int]]:
    """What SQLite has open for a database."""
    found = set()
    for ending in ("", "-wal", "-shm"):
        try:
            found.add(_file(os.stat(database + ending)))
        except FileNotFoundError:
            continue
    return found


def _file(info: os.stat_result) -> tuple[int, int]:
    return info.st_dev, info.st_ino


def _serve(control: socket.socket, setting: Setting) -> NoReturn:
    """Makes a daemon, again and again."""
    from lamina.trace import session  # what only the daemons need, on this side of the fork

    del session
    failures = 0
    while True:
        link, other_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            link.close()
            try:
                _await_request(control, other_end, setting)
            finally:
                os._exit(1)
        other_end.close()
        _wait(control, link)
        failures = 0 if link.recv(1) else failures + 1
        link.close()
        if failures == _MOST_FAILURES:
            os._exit(1)
        _pause(control)
        _bury()


def _bury() -> None:
    """Waits for the daemons that have ended: `time lamina build` is to count what they used."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _wait(control: socket.socket, link: socket.socket) -> None:
    """Until the daemon takes a request, or dies."""
    poller = select.poll()
    poller.register(control, 0)  # its end only: requests are the daemon's
    poller.register(link, select.POLLIN)
    if any(fd == control.fileno() for fd, _ in poller.poll()):
        os._exit(0)


def _pause(control: socket.socket) -> None:
    """A while, or until another request is there: a new daemon would take the processor from the step."""
    poller = select.poll()
    poller.register(control, select.POLLIN)
    if any(event & select.POLLHUP for _, event in poller.poll(_PAUSE)):
        os._exit(0)


def _await_request(control: socket.socket, link: socket.socket, setting: Setting) -> None:
    """The life of one daemon."""
    from lamina.trace.session import Session, prepare

    syscalls.die_with_parent()
    prepared = prepare(setting)
    data, fds, _, _ = socket.recv_fds(control, REQUEST_SIZE, 1)
    control.close()
    if data:
        link.send(b"!")
        link.close()
        chain = [DiffID(name) for name in data.decode().split()]
        Session(socket.socket(fileno=fds[0]), setting, prepared).run(chain)
    os._exit(0)
