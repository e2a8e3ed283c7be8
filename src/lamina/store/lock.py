"""Files that are locks: flock, let go by death, never inherited by a child that Python forks.

A forked child shares the open file, and with it the lock, until it closes its copy. Children made by
os.fork close theirs here, at once; exec closes them too (O_CLOEXEC). Whoever clones by a raw system
call must close every descriptor itself, else the lock outlives us.
"""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING

from lamina.store.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.store.layout import Layout

PAUSE = 0.05  # seconds between two tries of those that must not block
LOCK_PREFIX = "lock-"  # in leases/, beside the lease files

_held: set[int] = set()


def _close_in_child() -> None:
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)


def try_lock(path: str, *, create: bool = False, shared: bool = False) -> int | None:
    """Locks `path` without waiting. A descriptor to `let_go`; None when another holds it or it is gone.

    `shared` locks keep out only those that are not.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    if create:
        flags |= os.O_CREAT | os.O_EXCL
    try:
        descriptor = os.open(path, flags, 0o600)
    except (FileNotFoundError, FileExistsError):
        return None
    _held.add(descriptor)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        let_go(descriptor)
        return None
    return _still_named(descriptor)


def _still_named(descriptor: int) -> int | None:
    # whoever held the lock before us may have removed the file: then it protects nothing
    if os.fstat(descriptor).st_nlink:
        return descriptor
    let_go(descriptor)
    return None


def let_go(descriptor: int) -> None:
    """Closes the descriptor, and with it the lock."""
    _held.discard(descriptor)
    os.close(descriptor)


class NameLock:
    """`with NameLock(layout, hex):` one writer of that digest at a time, over all processes and threads.

    Waits for as long as the other one lives; `check`, when given, is called again and again meanwhile, and
    ends the waiting by raising. Hold one at a time, or several in the order of their names: two in different
    orders would wait for each other.
    """

    __slots__ = ("_check", "_descriptor", "_path")

    def __init__(self, layout: Layout, name: str, check: Callable[[], object] | None = None) -> None:
        self._path = f"{layout.leases}/{LOCK_PREFIX}{name}"
        self._check = check
        self._descriptor = -1

    def __enter__(self) -> NameLock:
        with guard(self._path):
            while self._descriptor < 0:
                self._descriptor = self._wait()
        return self

    def _wait(self) -> int:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        _held.add(descriptor)
        try:
            self._flock(descriptor)
        except BaseException:
            let_go(descriptor)
            raise
        named = _still_named(descriptor)
        return -1 if named is None else named

    def _flock(self, descriptor: int) -> None:
        if self._check is None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            return
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                self._check()
                time.sleep(PAUSE)

    def __exit__(self, *_: object) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor in _held:  # not so in a child that was forked while we held it
            os.unlink(self._path)
            let_go(descriptor)
