"""CacheMounts: folders for RUN --mount=type=cache, lent for the time of one RUN.

As BuildKit does it: `shared` users of one key have one folder together; `private` and `locked` have it for
themselves. Who finds all folders of the key taken gets a new one, which later builds use too when it is free;
only `locked` waits. A shared user beside an exclusive one gets a new one as well.
"""

from __future__ import annotations

import fcntl
import time
from _thread import allocate_lock
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from lamina.cachemounts import objects
from lamina.cachemounts.wanted import CacheWanted as CacheWanted  # noqa: TC001 - build.mounting makes them
from lamina.db import cachemounts as rows
from lamina.layers.clock import now
from lamina.store.lock import PAUSE, let_go

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lamina.build.cancel import Cancel
    from lamina.layers.context import Layers


class _Taken(NamedTuple):
    """A folder in our use: its name, and the descriptor that locks it."""

    name: str
    descriptor: int


class CacheMounts:
    """The cache mounts of one build. Its threads may use it at once."""

    def __init__(self, ctx: Layers) -> None:
        self._ctx = ctx
        self._lock = allocate_lock()
        self._forgotten: set[str] = set()  # ids whose folders of earlier builds --no-cache has let go

    @contextmanager
    def borrow(self, wanted: CacheWanted, cancel: Cancel) -> Iterator[str]:
        """`with` this, the path of a folder is ours to mount.

        Waits while a `locked` one is in use, until `cancel`. Cancelled, NoSpace, Denied, and what the seed
        raises.
        """
        if wanted.fresh:
            self._forget(wanted.id, cancel.check)
        taken = self._wait(wanted, cancel.check)
        try:
            with self._ctx.db.write(durable=False) as tx:
                rows.note_use(tx, taken.name, wanted.sharing, now())
            yield objects.data_folder(self._ctx, taken.name)
        finally:
            let_go(taken.descriptor)
            objects.tidy(self._ctx, taken.name)

    @contextmanager
    def borrow_all(self, wanted: Sequence[CacheWanted], cancel: Cancel) -> Iterator[tuple[str, ...]]:
        """All cache mounts of one RUN, in their order; mounts with one key have one folder.

        They are taken in the order of their keys, so that two RUNs never wait for each other.
        """
        firsts: dict[str, CacheWanted] = {}
        for each in wanted:
            firsts.setdefault(each.key, each)
        with ExitStack() as stack:
            paths = {key: stack.enter_context(self.borrow(firsts[key], cancel)) for key in sorted(firsts)}
            yield tuple([paths[each.key] for each in wanted])

    def _wait(self, wanted: CacheWanted, check: Callable[[], object]) -> _Taken:
        while True:
            check()
            with objects.key_lock(self._ctx, wanted.key, check):
                taken = self._take(wanted)
            if taken is not None:
                return taken
            time.sleep(PAUSE)

    def _take(self, wanted: CacheWanted) -> _Taken | None:
        """A folder that is free, one that we may share, or a new one; None when we have to wait."""
        found, busy = self._find(wanted)
        if found is None:
            if busy and wanted.sharing == "locked":
                return None
            name = objects.make(self._ctx, wanted).name
            descriptor = objects.lock(self._ctx, name)
            assert descriptor is not None  # we hold the lock of its key
            found = _Taken(name, descriptor)
        if wanted.sharing == "shared":
            fcntl.flock(found.descriptor, fcntl.LOCK_SH)  # from exclusive: others may join us now
        return found

    def _find(self, wanted: CacheWanted) -> tuple[_Taken | None, bool]:
        """A folder, and whether any is in use. One that others share comes before one that is free."""
        ctx, busy = self._ctx, False
        free: _Taken | None = None
        for row in rows.with_key(ctx.db.read(), wanted.key):
            descriptor = objects.lock(ctx, row.name)
            if descriptor is None and not objects.is_there(ctx, row.name):
                with ctx.db.write(durable=False) as tx:
                    rows.delete(tx, row.name)  # nothing else is left of it
            elif descriptor is None:
                busy = True
                shared = objects.lock(ctx, row.name, shared=True) if wanted.sharing == "shared" else None
                if shared is not None:
                    if free is not None:
                        let_go(free.descriptor)
                    return _Taken(row.name, shared), busy
            elif free is None:
                free = _Taken(row.name, descriptor)
            else:
                let_go(descriptor)
        return free, busy

    def _forget(self, mount_id: str, check: Callable[[], object]) -> None:
        """Lets go of what earlier builds left under this id, once in this build."""
        with self._lock:
            if mount_id in self._forgotten:
                return
            self._forgotten.add(mount_id)
            for row in rows.with_id(self._ctx.db.read(), mount_id):
                check()
                objects.remove_or_detach(self._ctx, row)
