"""recover: removes what processes that died left behind."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.store.files import remove_tree
from lamina.store.guard import guard
from lamina.store.lease import leases
from lamina.store.lock import LOCK_PREFIX, let_go, try_lock

if TYPE_CHECKING:
    from lamina.store.layout import Layout


def recover(layout: Layout) -> list[str]:
    """Removes temporary files and folders of dead leases, then the leases; returns the paths removed.

    Costs one listing when nobody died. Several processes may do it at once: a dead lease is locked by
    the one that cleans up after it, and its file goes last, so a crash in here is recovered as well.
    """
    try:
        with guard(layout.leases):
            names = os.listdir(layout.leases)
    except FileNotFoundError:
        return []
    removed: list[str] = []
    dead: dict[str, int] = {}
    try:
        for name in names:
            descriptor = try_lock(f"{layout.leases}/{name}")
            if descriptor is None:
                continue
            if name.startswith(LOCK_PREFIX):
                os.unlink(f"{layout.leases}/{name}")
                let_go(descriptor)
            else:
                dead[name] = descriptor
        if dead:
            removed = [path for path, owner in layout.temps() if owner in dead]
            for path in removed:
                remove_tree(path)
            for name in dead:
                os.unlink(f"{layout.leases}/{name}")
    finally:
        for descriptor in dead.values():
            let_go(descriptor)
    return removed


def is_older(path: str, before: int) -> bool:
    """Whether the name was given before that time (ns since 1970); renaming changes ctime.

    False for what is gone: another process was faster.
    """
    try:
        return os.stat(path, follow_symlinks=False).st_ctime_ns < before
    except FileNotFoundError:
        return False


def remove_strays(layout: Layout) -> list[str]:
    """Removes temporary files and folders of leases that were released, or lost, before they were empty.

    Looks at every name in the store, so it is for a sweep; returns the paths removed.
    """
    temps = layout.temps()  # before the leases: a lease is there before its names are
    known = frozenset(leases(layout))
    strays = [path for path, owner in temps if owner not in known]
    for path in strays:
        remove_tree(path)
    return strays
