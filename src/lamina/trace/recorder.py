"""Recorder: what a builder calls to learn what a step reads of the layers below it.

    recorder = Recorder(setting, data)         # early, from the main thread: forks the server
    with recorder.start(chain) as recording:   # Untraced when that does not work
        root = recording.mount(mount)          # of the snapshotter; ours takes the place of its lowers
        ...                                    # the step runs on it
        recording.ended()
        traced = recording.finish(paths)       # those at which the step's layer has something

What is seen: a name that was looked up, whether it was there or not; a folder that was listed. A file that
was looked up counts with its content, a folder with its mode and owner, a link with its target.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
from typing import TYPE_CHECKING

from lamina.errors import LaminaError
from lamina.trace import mounting, wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.mount.types import Mount
    from lamina.oci.digest import DiffID
    from lamina.trace.wire import Setting, Traced

_LONGEST_START = 5000  # milliseconds that a daemon may take to begin
_LONGEST_END = 20_000  # and to say what was read
_LONGEST_STOP = 2000  # that the server may take to end
_CHUNK = 1 << 20
_SILENT = "the recorder does not answer"


class Untraced(LaminaError):
    """A step cannot be recorded; the message says why."""


class Recorder:
    """A server process and its recordings. Threads may share it. It lives no longer than this process."""

    def __init__(self, setting: Setting, data: str) -> None:
        """Forks the server now. `data` is the folder with all layers (Layout.diff)."""
        from lamina.trace import server  # only where the server is forked

        self._data = data
        main = threading.current_thread() is threading.main_thread()
        self._control, self._pid = server.fork_server(setting, dies_with_us=main)
        self._owner = os.getpid()
        self._silent = False

    def start(self, chain: Sequence[DiffID]) -> Recording:
        """Begins to record what a step on these layers (top first) reads. Untraced."""
        if self._silent:
            raise Untraced(_SILENT)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with theirs:
                request = "\n".join(chain).encode() or b"\n"
                socket.send_fds(self._control, [request], [theirs.fileno()])
            if not _readable(ours, _LONGEST_START):
                self._silent = True  # nobody waits for it twice
                raise Untraced(_SILENT)
            said, fds, _, _ = socket.recv_fds(ours, 4096, 1)
            if said != wire.READY or not fds:
                raise Untraced(wire.decode(said).doubt)
            return Recording(ours, fds[0], self._data)
        except OSError as error:
            ours.close()
            raise Untraced(f"the recorder is gone: {error.strerror}") from None
        except BaseException:
            ours.close()
            raise

    def stop(self) -> None:
        """Lets the server end, without waiting for it; recordings that go on end by themselves."""
        if self._control.fileno() >= 0 and self._owner == os.getpid():
            self._control.shutdown(socket.SHUT_RDWR)  # some fork of this process may have it, too
        self._control.close()

    def close(self) -> None:
        """Ends the server."""
        self.stop()
        if self._owner != os.getpid():
            return
        process = os.pidfd_open(self._pid)
        try:
            if not _readable(process, _LONGEST_STOP):
                os.kill(self._pid, signal.SIGKILL)  # it was forked while a thread held what it waits for
        finally:
            os.close(process)
        os.waitpid(self._pid, 0)


class Recording:
    """One step's. Leaving it as a context ends it, if nothing else has."""

    def __init__(self, peer: socket.socket, names: int, data: str) -> None:
        self._peer = peer
        self._names = names
        self._data = data

    def mount(self, mount: Mount) -> int:
        """The overlay `mount` over what is recorded, attached nowhere: its descriptor. Untraced."""
        try:
            return mounting.overlay(mount, self._names, self._data)
        except OSError as error:
            raise Untraced(f"the overlay of the recorder cannot be mounted: {error.strerror}") from None
        finally:
            self._let_go()

    def ended(self) -> None:
        """The step has ended: what it read can be counted up, while the caller does other things."""
        try:
            self._peer.sendall(wire.ENDED)
        except OSError:
            pass  # `finish` will say it

    def finish(self, changed: Iterable[bytes]) -> Traced:
        """What the step read, after `ended`; `changed` are the paths of the layer that it made."""
        return self._ask(wire.ASK_READ_SET + b"\0".join(changed))

    def failed(self) -> bool:
        """Ends the recording of a step that failed: whether that may be the recorder's fault.

        That too much was seen to be kept is none.
        """
        return self._ask(wire.ASK_STATE).spoiled

    def _ask(self, question: bytes) -> Traced:
        answer = b""
        try:
            self._peer.sendall(question)
            self._peer.shutdown(socket.SHUT_WR)
            while _readable(self._peer, _LONGEST_END) and (more := self._peer.recv(_CHUNK)):
                answer += more
        except OSError:
            pass  # the daemon died
        finally:
            self.close()
        return wire.decode(answer)

    def close(self) -> None:
        """Ends the recording."""
        self._let_go()
        self._peer.close()

    def _let_go(self) -> None:
        if self._names >= 0:
            os.close(self._names)
            self._names = -1

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _readable(peer: socket.socket | int, milliseconds: int) -> bool:
    poller = select.poll()
    poller.register(peer, select.POLLIN)
    return bool(poller.poll(milliseconds))
