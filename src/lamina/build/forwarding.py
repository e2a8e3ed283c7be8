"""A socket for the processes of a RUN, with an owner and a mode of their own, that leads to an SSH agent."""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lamina.errors import InvalidInput
from lamina.mount.userns import current_ids
from lamina.sandbox.rootfs import no_owner
from lamina.store.files import remove_tree
from lamina.store.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHUNK = 1 << 16
_MOST = 32  # connections at once; more wait


@contextmanager
def forwarded(
    connect: Callable[[], socket.socket], folder: str, mode: int, owner: tuple[int, int]
) -> Iterator[str]:
    """While this lasts, a socket listens at the path that it gives, in the new folder `folder`."""
    with guard(folder):
        os.mkdir(folder, 0o700)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            _listen(listener, folder, mode, owner)
            ours, theirs = socket.socketpair()
            thread = threading.Thread(target=_Relay(listener, theirs, connect).run, daemon=True)
            thread.start()
            try:
                yield f"{folder}/agent"
            finally:
                ours.close()
                thread.join()
    finally:
        remove_tree(folder)


def _listen(listener: socket.socket, folder: str, mode: int, owner: tuple[int, int]) -> None:
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with guard(folder):
            listener.bind(f"/proc/self/fd/{descriptor}/agent")  # short, wherever the store is
            if not current_ids().single:
                _give(descriptor, owner)
            os.chmod("agent", mode & 0o777, dir_fd=descriptor)
    finally:
        os.close(descriptor)
    listener.listen(_MOST)


def _give(folder: int, owner: tuple[int, int]) -> None:
    try:
        os.chown("agent", *owner, dir_fd=folder)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise InvalidInput(no_owner("the socket of an SSH agent", *owner)) from None


class _Relay:
    """Passes on what comes, both ways, until `stop` is closed at its other end."""

    def __init__(
        self, listener: socket.socket, stop: socket.socket, connect: Callable[[], socket.socket]
    ) -> None:
        self._listener = listener
        self._stop = stop
        self._connect = connect
        self._poller = select.poll()
        self._other: dict[int, socket.socket] = {}  # by descriptor: where its bytes go
        self._ends: dict[int, socket.socket] = {}

    def run(self) -> None:
        """The thread."""
        self._poller.register(self._listener, select.POLLIN)
        self._poller.register(self._stop, select.POLLIN)
        try:
            while True:
                # One at a time: it may close others, and give their numbers away.
                fd, _ = self._poller.poll()[0]
                if fd == self._stop.fileno():
                    return
                if fd == self._listener.fileno():
                    self._accept()
                else:
                    self._pass(fd)
        finally:
            for end in self._ends.values():
                end.close()
            self._stop.close()

    def _accept(self) -> None:
        inner, _ = self._listener.accept()
        try:
            outer = self._connect()
        except OSError:
            inner.close()  # an agent that is gone: the program in there says so
            return
        for end, other in ((inner, outer), (outer, inner)):
            end.settimeout(10)  # nobody who does not read stops the others for good
            self._ends[end.fileno()] = end
            self._other[end.fileno()] = other
            self._poller.register(end, select.POLLIN)

    def _pass(self, fd: int) -> None:
        end, other = self._ends[fd], self._other[fd]
        try:
            data = end.recv(_CHUNK)
            if data:
                other.sendall(data)
                return
        except OSError:
            pass
        for gone in (end, other):
            self._poller.unregister(gone)
            del self._ends[gone.fileno()], self._other[gone.fileno()]
            gone.close()
