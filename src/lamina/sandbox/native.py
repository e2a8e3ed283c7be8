"""The native runtime: processes in namespaces of their own, without a daemon, a helper or root.

    runtime = NativeRuntime()
    process = runtime.start(spec, 0, 1, 2)
    status = process.wait()
    process.close()
    runtime.close()

It acts as root of the user namespace that it is in (mount.userns.enter goes first for anyone else).
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import threading
from typing import TYPE_CHECKING

from lamina.errors import Denied, InvalidInput, LaminaError, NoSpace, ProcessFailed
from lamina.sandbox import launch, programs, wire
from lamina.sandbox.waiting import wait_for

if TYPE_CHECKING:
    from lamina.sandbox.spec import ProcessSpec

_KILLED = 128 + signal.SIGKILL


class NativeRuntime:
    """A Runtime over one spawner process, which is forked at the first use, or by `warm`.

    Threads may share it. The spawner lives as long as this process, and not longer.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._pid = 0
        self._owner = 0

    def warm(self) -> None:
        """Fork the spawner now: early, from the main thread, while this process is small."""
        with self._lock:
            self._spawner()

    def start(self, spec: ProcessSpec, stdin: int, stdout: int, stderr: int, root: int = -1) -> NativeProcess:
        """See protocol.Runtime."""
        _check(spec)
        ours, setup = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        watch, status = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            with setup, status:
                try:
                    given = [root] if root >= 0 else []
                    self._ask(spec, [setup.fileno(), status.fileno(), stdin, stdout, stderr, *given])
                except BaseException:
                    watch.close()
                    raise
            return _outcome(ours, NativeProcess(watch), spec)

    def _ask(self, spec: ProcessSpec, fds: list[int]) -> None:
        request = wire.request_file(spec)
        try:
            if spec.terminal:
                fds[2:5] = [request] * 3  # something, to be replaced by the terminal
            with self._lock:
                control = self._spawner()
                socket.send_fds(control, [b"!"], [request, *fds])
        except OSError as error:
            raise LaminaError(f"the spawner of processes is gone: {error.strerror}") from None
        finally:
            os.close(request)

    def close(self) -> None:
        """End the spawner, and with it everything that still runs; later calls start another.

        In a fork of the process that started it, it goes on.
        """
        with self._lock:
            if self._control is None:
                return
            ours = self._owner == os.getpid()
            if ours:
                self._control.shutdown(socket.SHUT_RDWR)  # some fork of this process may have it, too
            self._control.close()
            self._control = None
            if ours:
                os.waitpid(self._pid, 0)

    def _spawner(self) -> socket.socket:
        if self._control is None:
            self._control, self._pid = launch.fork_spawner()
            self._owner = os.getpid()
        return self._control


class NativeProcess:
    """See protocol.Process."""

    def __init__(self, watch: socket.socket) -> None:
        self._watch = watch
        # Re-entrant: a signal handler may call `signal` while this thread holds it.
        self._lock = threading.RLock()
        self._pidfd = -1
        # Held until `close`: undoing the mounts takes time, and syncs the disk under an overlay.
        self._mounts = -1
        self._pid = 0
        self._status: int | None = None
        self.stubs: tuple[bytes, ...] = ()
        self.terminal: int | None = None

    @property
    def pid(self) -> int:
        """See protocol.Process; 0 when it had ended and been reaped before anybody asked."""
        if not self._pid and self._pidfd >= 0:
            with open(f"/proc/self/fdinfo/{self._pidfd}", "rb") as info:
                rows = dict(row.split(b":", 1) for row in info if b":" in row)
            self._pid = max(int(rows.get(b"Pid", b"0")), 0)
        return self._pid

    def fileno(self) -> int:
        """See protocol.Process."""
        return self._watch.fileno()

    def wait(self) -> int:
        """See protocol.Process. KeyboardInterrupt gets through, and `wait` can be called again."""
        # Polling outside of the lock leaves `signal` and other waiters free.
        poller = select.poll()
        poller.register(self._watch, select.POLLIN)
        while self._status is None:
            wait_for(poller)
            with self._lock:
                if self._status is None:
                    data = self._watch.recv(64)
                    # No packet: the spawner was killed, and the kernel killed all that it had started.
                    self._status = wire.STATUS.unpack(data)[0] if data else _KILLED
        return self._status

    def signal(self, number: int) -> None:
        """See protocol.Process."""
        with self._lock:
            if self._pidfd < 0:
                return
            try:
                signal.pidfd_send_signal(self._pidfd, number)
            except ProcessLookupError:
                pass

    def kill(self) -> None:
        """See protocol.Process."""
        self.signal(signal.SIGKILL)

    def close(self) -> None:
        """See protocol.Process."""
        if self._watch.fileno() < 0:
            return
        if self._pidfd < 0 and self._status is None:
            self.adopt()  # `start` was interrupted: it can be killed all the same
        self.kill()
        self.wait()
        with self._lock:
            fds = (self._pidfd, self._mounts)
            self._pidfd = self._mounts = -1
            self._watch.close()
            for fd in fds:
                if fd >= 0:
                    os.close(fd)

    def adopt(self) -> None:
        """Take what the first packet on the status socket brings."""
        data, fds, _, _ = socket.recv_fds(self._watch, 64, 2)
        if data == wire.STARTED and len(fds) == 2:
            self._pidfd, self._mounts = fds


def _check(spec: ProcessSpec) -> None:
    words = [*spec.args, *(word for pair in spec.env for word in pair), spec.cwd, spec.hostname]
    if not spec.args:
        raise InvalidInput("no command specified")
    if any("\0" in word for word in words):
        raise InvalidInput("a command, a variable or a path of a process cannot hold a zero byte")
    if spec.network not in ("host", "none"):
        raise InvalidInput(f"unknown network {spec.network!r}", hint="use host or none")
    if spec.security not in ("sandbox", "insecure"):
        raise InvalidInput(f"unknown security {spec.security!r}", hint="use sandbox or insecure")
    if not spec.root:
        raise InvalidInput("a process needs a root file system")


def _outcome(setup: socket.socket, process: NativeProcess, spec: ProcessSpec) -> NativeProcess:
    """The process once exec has happened; or the error that it met on its way there."""
    problem: LaminaError | None = LaminaError(f"{spec.args[0]}: the process was killed before it began")
    program = spec.args[0]
    try:
        while True:
            data, fds, _, _ = socket.recv_fds(setup, wire.REPLY_SIZE, 1)
            if not data:
                break
            reply = wire.decode_reply(data)
            if isinstance(reply, wire.Ready):
                process.stubs, program, problem = reply.stubs, reply.program, None
                process.terminal = fds[0] if fds else None
            elif isinstance(reply, wire.Failed):
                problem = _error(reply)
            else:
                refused = programs.cannot_execute(program, reply)
                problem = ProcessFailed(refused.message, refused.status)
        process.adopt()
        if problem is not None:
            raise problem
    except BaseException:
        if process.terminal is not None:
            os.close(process.terminal)
        process.close()
        raise
    return process


def _error(reply: wire.Failed) -> LaminaError:
    if reply.status:
        return ProcessFailed(reply.message, reply.status)
    if reply.errno == 0:
        return InvalidInput(reply.message)
    if reply.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Denied(reply.message)
    if reply.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(reply.message)
    return LaminaError(reply.message)
