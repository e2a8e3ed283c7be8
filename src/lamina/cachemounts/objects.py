"""One cache mount as an object of the store: a folder with info.json and data/, a row, and two locks.

`info.json` is written once, when the folder is made; a file lock on it says that the folder is in use. Who
looks for a folder, makes, removes or replaces one holds the lock of its key for that time: so the two locks
of one key are never taken in two orders. A death lets go of both.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from lamina.cachemounts import info
from lamina.db import cachemounts as rows
from lamina.errors import Conflict
from lamina.fs.stamp import Stamp
from lamina.layers.clock import now
from lamina.store.files import remove_tree
from lamina.store.guard import guard
from lamina.store.lock import NameLock, let_go, try_lock
from lamina.store.sync import tree_size
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from lamina.cachemounts.wanted import CacheWanted
    from lamina.db.cachemounts import CacheMount
    from lamina.layers.context import Layers

_PATIENCE = 0.5  # seconds that a question waits for a key: longer ones fill, export or import a folder


def data_folder(ctx: Layers, name: str) -> str:
    """The folder that is mounted."""
    return ctx.layout.cache_mount(name) + "/data"


def key_lock(ctx: Layers, key: str, check: Callable[[], object] | None = None) -> NameLock:
    """A `with` block that keeps others from looking for, making and removing folders of this key.

    `check` is called while this waits, and ends it by raising.
    """
    return NameLock(ctx.layout, key, check)


def lock(ctx: Layers, name: str, *, shared: bool = False) -> int | None:
    """Marks the folder as in use: a descriptor to `let_go`. None when that cannot be, or it is not there.

    Call it under the key's lock.
    """
    return try_lock(_info(ctx, name), shared=shared)


def is_there(ctx: Layers, name: str) -> bool:
    """Whether the folder exists."""
    return os.path.exists(_info(ctx, name))


def new_temp(ctx: Layers) -> str:
    """A new folder with data/ in it, which `place` may give its name; else it is the caller's to remove."""
    temp = f"{ctx.layout.cachemounts}/{ctx.lease.temp_name()}"
    with guard(temp):
        os.makedirs(temp, 0o700)
        os.mkdir(temp + "/data")
        os.chmod(temp + "/data", 0o755)  # whatever the umask is
    return temp


def make(ctx: Layers, wanted: CacheWanted) -> CacheMount:
    """A new folder, complete or not there at all; call it under the key's lock. NoSpace, Denied.

    What the seed raises comes through.
    """
    temp = new_temp(ctx)
    try:
        if wanted.seed is not None:
            wanted.seed(temp + "/data")
        else:
            _stamp(temp + "/data", wanted)
        row = new_row(wanted)
        info.write(temp + "/info.json", row)
        with ctx.db.write() as tx:
            place(tx, ctx, temp, row)
        return row
    finally:
        if os.path.lexists(temp):
            remove_tree(temp)


def new_row(wanted: CacheWanted) -> CacheMount:
    """The row of a folder that is made now."""
    moment = now()
    return rows.CacheMount(
        name=os.urandom(8).hex(),
        key=wanted.key,
        id=wanted.id,
        sharing=wanted.sharing,
        mode=wanted.mode,
        uid=wanted.uid,
        gid=wanted.gid,
        seed=wanted.seed_key,
        created_by=wanted.created_by,
        created=moment,
        last_used=moment,
        uses=0,
        size=None,
        detached=False,
    )


def place(tx: sqlite3.Connection, ctx: Layers, temp: str, row: CacheMount) -> None:
    """Gives a folder that `new_temp` made, with its info.json, the name and the row."""
    rows.put(tx, row)  # first: what the database refuses must not get its name
    with guard(ctx.layout.cachemounts):
        os.rename(temp, ctx.layout.cache_mount(row.name))


def _stamp(data: str, wanted: CacheWanted) -> None:
    with guard(data):
        folder = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            moment = os.fstat(folder).st_mtime_ns
            root = Entry(b"", Kind.DIR, wanted.mode, wanted.uid, wanted.gid, mtime=moment)
            Stamp().open_file(folder, root)
        finally:
            os.close(folder)


def remove(ctx: Layers, row: CacheMount) -> int | None:
    """Removes the folder and its row; the bytes that this freed. None when the folder is in use."""
    descriptor = None
    try:
        with key_lock(ctx, row.key):
            descriptor = lock(ctx, row.name)
            if descriptor is None and is_there(ctx, row.name):
                return None
            with ctx.db.write() as tx:
                temp = take(tx, ctx, row.name)
        return 0 if temp is None else destroy(temp)
    finally:
        if descriptor is not None:
            let_go(descriptor)


def destroy(temp: str) -> int:
    """Removes what `take` took; the bytes that were in its files."""
    freed = tree_size(temp + "/data")
    remove_tree(temp)
    return freed


def take(tx: sqlite3.Connection, ctx: Layers, name: str) -> str | None:
    """Takes the row and the name of a folder away; its temporary path, for `destroy` after the commit."""
    temp = f"{ctx.layout.cachemounts}/{ctx.lease.temp_name()}"
    rows.delete(tx, name)
    with guard(temp):
        try:
            os.rename(ctx.layout.cache_mount(name), temp)
        except FileNotFoundError:
            return None
    return temp


def remove_or_detach(ctx: Layers, row: CacheMount) -> None:
    """Afterwards no build finds the folder; it goes now, or when who uses it ends."""
    if remove(ctx, row) is None:
        with ctx.db.write(durable=False) as tx:
            rows.detach(tx, row.name)
        tidy(ctx, row.name)  # it may have ended just now


def tidy(ctx: Layers, name: str) -> None:
    """After a use: removes the folder when it was detached meanwhile and nobody else uses it."""
    row = rows.get(ctx.db.read(), name)
    if row is not None and row.detached:
        remove(ctx, row)


def in_use(ctx: Layers, row: CacheMount) -> bool:
    """Whether a build uses the folder now, or is about to."""
    deadline = time.monotonic() + _PATIENCE

    def check() -> None:
        if time.monotonic() > deadline:
            raise Conflict(f"cache mount {row.id} is about to be used")

    try:
        with key_lock(ctx, row.key, check):
            descriptor = lock(ctx, row.name)
            if descriptor is None:
                return is_there(ctx, row.name)
            let_go(descriptor)
            return False
    except Conflict:
        return True


def _info(ctx: Layers, name: str) -> str:
    return ctx.layout.cache_mount(name) + "/info.json"
