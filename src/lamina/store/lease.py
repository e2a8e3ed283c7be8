"""Lease: the sign that a process which writes to the store is alive.

A file leases/ID that its process keeps locked. Temporary names carry the ID, and so do rows in
db.leases; once the lock is free its owner is dead, and what bears its name may go (store.recover).
store.lock says how the lock behaves across fork and exec.
"""

from __future__ import annotations

import itertools
import os
import time

from lamina.errors import Denied
from lamina.store.guard import guard
from lamina.store.layout import TEMP_PREFIX, Layout
from lamina.store.lock import LOCK_PREFIX, let_go, try_lock


class Lease:
    """One process's lease, and not its children's. `id` is 16 hex digits."""

    __slots__ = ("_count", "_descriptor", "_path", "_pid", "id")

    def __init__(self, lease_id: str, path: str, descriptor: int) -> None:
        self.id = lease_id
        self._path = path
        self._descriptor = descriptor
        self._pid = os.getpid()
        self._count = itertools.count()

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
                return cls(lease_id, path, descriptor)
        raise Denied(
            f"cannot lock a file in {layout.leases}", hint="LAMINA_ROOT needs a file system with flock"
        )

    def temp_name(self) -> str:
        """A name that nothing else in the store has, and that `recover` knows by. Threads may call it."""
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

    def release(self) -> None:
        """Ends the lease. Harmless when done twice, or in a forked child."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0 or os.getpid() != self._pid:
            return
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            pass
        let_go(descriptor)

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
    """The leases whose processes live, and since when: nanoseconds since 1970."""
    found = {}
    for lease_id in leases(layout):
        if alive(layout, lease_id):
            try:
                found[lease_id] = os.stat(f"{layout.leases}/{lease_id}").st_mtime_ns
            except FileNotFoundError:
                continue
    return found
