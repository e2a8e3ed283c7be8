"""Lease: the sign that a process which writes to the store is alive.

A file leases/ID that its process keeps locked. Temporary names carry the ID, and so do rows in
db.leases; once the lock is free its owner is dead, and what bears its name may go (store.recover).
store.lock says how the lock behaves across fork and exec.
"""

from __future__ import annotations

import itertools
import os
import time
from _thread import allocate_lock
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lamina.errors import Denied
from lamina.store.guard import guard
from lamina.store.layout import TEMP_PREFIX, Layout
from lamina.store.lock import LOCK_PREFIX, let_go, try_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

_NEVER = 1 << 62  # nanoseconds since 1970: later than any file's time


class Lease:
    """One process's lease, and not its children's. `id` is 16 hex digits."""

    __slots__ = ("_count", "_descriptor", "_idle", "_layout", "_lock", "_named", "_path", "_pid", "id")

    def __init__(self, layout: Layout, lease_id: str, descriptor: int) -> None:
        self.id = lease_id
        self._layout = layout
        self._path = f"{layout.leases}/{lease_id}"
        self._descriptor = descriptor
        self._pid = os.getpid()
        self._count = itertools.count()
        self._named = False
        self._idle = False
        self._lock = allocate_lock()

    @classmethod
    def acquire(cls, layout: Layout) -> Lease:
        """Makes the store's folders where missing, and a new lease in it. Denied, NoSpace."""
        layout.prepare()
        for _ in range(100):
            lease_id = os.urandom(8).hex()
            path = f"{layout.leases}/{lease_id}"
            with guard(path):
                descriptor = try_lock(path, create=True)
            if descriptor is not None:  # else another process cleaned it up before it was locked
                return cls(layout, lease_id, descriptor)
        raise Denied(
            f"cannot lock a file in {layout.leases}", hint="LAMINA_ROOT needs a file system with flock"
        )

    def temp_name(self) -> str:
        """A name that nothing else in the store has, and that `recover` knows by. Threads may call it."""
        self._named = True
        return f"{TEMP_PREFIX}{self.id}-{next(self._count):x}"

    def stamp(self, folder: str) -> int:
        """A time (ns since 1970) later than that of every file written before, by the clock of `folder`.

        File systems keep time in ticks of some milliseconds: this waits for the next one.
        """
        path = f"{folder}/{self.temp_name()}"
        with guard(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.unlink(path)
                first = os.fstat(descriptor).st_mtime_ns
                while (now := os.fstat(descriptor).st_mtime_ns) <= first:
                    time.sleep(0.001)
                    os.utime(descriptor)
            finally:
                os.close(descriptor)
        return now

    @contextmanager
    def idle(self) -> Iterator[None]:
        """While this lasts, the process counts on no blob or folder that rows do not name.

        So a sweep need not spare what came after this lease began: a container may run for months.
        """
        with self._lock:
            self._set_time(_NEVER)
            self._idle = True
        try:
            yield
        finally:
            self.busy()

    def busy(self) -> None:
        """The process is about to write, or count on, what no row names yet. Ends `idle`."""
        with self._lock:
            if self._idle:
                self._set_time(None)
                self._idle = False

    def _set_time(self, nanoseconds: int | None) -> None:
        """What `living` gives to others: since when the process may have such things."""
        try:
            if nanoseconds is None:
                os.utime(self._path)
            else:
                os.utime(self._path, ns=(nanoseconds, nanoseconds))
        except FileNotFoundError:
            pass  # removed by hand, or by a process that took us for dead: nothing to tell then

    def release(self) -> bool:
        """Ends the lease. Harmless when done twice, or in a forked child.

        False when something with a temporary name of ours is still there, as after a Ctrl-C in the midst of
        cleaning up: then the lease's file stays too, so that `recover` finds both.
        """
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0 or os.getpid() != self._pid:
            return True
        clean = not (self._named and self._left())
        if clean:
            try:
                os.unlink(self._path)
            except FileNotFoundError:
                pass
        let_go(descriptor)
        return clean

    def _left(self) -> bool:
        """Whether anything has a temporary name of ours."""
        return any(owner == self.id for _, owner in self._layout.temps())

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def alive(layout: Layout, lease_id: str) -> bool:
    """Whether the process that holds this lease lives."""
    path = f"{layout.leases}/{lease_id}"
    descriptor = try_lock(path)
    if descriptor is None:
        return os.path.exists(path)
    let_go(descriptor)
    return False


def leases(layout: Layout) -> list[str]:
    """The IDs of all leases, of the living and of the dead."""
    try:
        names = os.listdir(layout.leases)
    except FileNotFoundError:
        return []
    return [name for name in names if not name.startswith(LOCK_PREFIX)]


def living(layout: Layout) -> dict[str, int]:
    """The leases whose processes live, and since when they may count on what no row names (ns since 1970).

    That is since they began, or a time that never comes for one that is idle.
    """
    found = {}
    for lease_id in leases(layout):
        if alive(layout, lease_id):
            try:
                found[lease_id] = os.stat(f"{layout.leases}/{lease_id}").st_mtime_ns
            except FileNotFoundError:
                continue
    return found
