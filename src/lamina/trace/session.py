"""One recording, in its daemon's process: from the request to the read set."""

from __future__ import annotations

import os
import signal
import socket
from _thread import start_new_thread
from typing import TYPE_CHECKING, NamedTuple

from lamina.db import readsets
from lamina.db.connect import Database
from lamina.trace import mounting, wire
from lamina.trace.daemon import MOST, OVERFLOW, Daemon
from lamina.trace.index import Index
from lamina.trace.wire import Traced
from lamina.tree.readset import Observed, make, pack

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from lamina.oci.digest import DiffID
    from lamina.trace.wire import Setting

_CHUNK = 1 << 16


class Prepared(NamedTuple):
    """What a daemon has before its request comes; or why it has not."""

    database: Database | None
    fuse: int
    mount: int
    refused: str = ""


def prepare(setting: Setting) -> Prepared:
    """Everything that does not depend on the request. Never raises: who asks is told."""
    try:
        database = Database.open(setting.database, create=False)
        return Prepared(database, *mounting.connect())
    except OSError as error:
        return Prepared(None, -1, -1, f"a FUSE mount was refused: {error.strerror}")
    except Exception as error:
        return Prepared(None, -1, -1, str(error))


class Session:
    """A recording; `peer` is the builder's socket."""

    def __init__(self, peer: socket.socket, setting: Setting, prepared: Prepared) -> None:
        self._peer = peer
        self._setting = setting
        self._prepared = prepared

    def run(self, chain: Sequence[DiffID]) -> None:
        """All of it; `chain` are diff IDs, top first."""
        fuse, mount, refused = self._prepared[1:]
        if self._prepared.database is None:
            self._send(wire.REFUSED + refused.encode(errors="backslashreplace"))
            return
        c = self._prepared.database.read()
        try:
            index = Index.of(c, chain, self._setting)
        except Exception as error:
            self._send(wire.REFUSED + str(error).encode(errors="backslashreplace"))
            return
        socket.send_fds(self._peer, [wire.READY], [mount])
        os.close(mount)
        daemon = Daemon(fuse, index)
        # A thread waits for the end, so that the other one need not look for it between two answers.
        start_new_thread(self._finish, (daemon, index, c, chain))
        daemon.serve()
        while True:
            signal.pause()

    def _finish(self, daemon: Daemon, index: Index, c: sqlite3.Connection, chain: Sequence[DiffID]) -> None:
        """Waits until the builder says that the step has ended; afterwards the process ends, too."""
        try:
            self._tell(daemon, index, c, chain)
        finally:
            os._exit(0)

    def _tell(self, daemon: Daemon, index: Index, c: sqlite3.Connection, chain: Sequence[DiffID]) -> None:
        first = self._peer.recv(1)
        try:
            found = _Found(daemon, index, c, chain) if first == wire.ENDED and not daemon.doubt else None
            asked = self._receive()
            if found is not None and asked[:1] == wire.ASK_READ_SET:
                traced = found.read_set(asked[1:])
            else:
                traced = Traced(b"", 0, "")
        except Exception as error:
            daemon.fail(error)
        if daemon.doubt:
            traced = Traced(None, 0, daemon.doubt, daemon.spoiled)
        self._send(wire.encode(traced))

    def _receive(self) -> bytes:
        parts = []
        while more := self._peer.recv(_CHUNK):
            parts.append(more)
        return b"".join(parts)

    def _send(self, data: bytes) -> None:
        try:
            self._peer.sendall(data)
        except OSError:
            pass  # the builder has gone


class _Found:
    """What was seen, with what is there."""

    def __init__(self, daemon: Daemon, index: Index, c: sqlite3.Connection, chain: Sequence[DiffID]) -> None:
        self._index = index
        self._c = c
        self._chain = chain
        self._seen = daemon.looked_up
        self._observed = [Observed(path) for path in daemon.looked_up]
        self._observed += [Observed(path, True) for path in daemon.listed]
        self._values = readsets.values(c, chain, self._observed)

    def read_set(self, changed: bytes) -> Traced:
        """The read set, with these paths too."""
        paths = changed.split(b"\0") if changed else []
        more = [Observed(path) for path in _with_folder(self._index, paths) if path not in self._seen]
        values = [*self._values, *(readsets.values(self._c, self._chain, more) if more else ())]
        observed = self._observed + more
        if len(observed) > MOST:
            return Traced(None, 0, OVERFLOW)
        return Traced(pack(make(observed, values)), len(observed), "")


def _with_folder(index: Index, paths: Iterable[bytes]) -> list[bytes]:
    """Those of the paths whose folder the layers have: what is at the others is no news."""
    known: dict[bytes, bool] = {}
    found = []
    for path in paths:
        folder = path.rpartition(b"/")[0]
        if folder not in known:
            known[folder] = index.has_folder(folder)
        if known[folder]:
            found.append(path)
    return found
