"""Removing cache mounts: those that are named, those that nobody uses, and what a death left of one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.cachemounts import info, objects
from lamina.cachemounts.listing import named
from lamina.db import cachemounts as rows
from lamina.errors import Conflict, Corrupt, InvalidInput
from lamina.store.files import remove_tree
from lamina.store.layout import temp_owner
from lamina.store.recover import is_older
from lamina.store.sync import tree_size

if TYPE_CHECKING:
    from lamina.db.cachemounts import CacheMount
    from lamina.layers.context import Layers


class Gone(NamedTuple):
    """What was removed, and the bytes that were in its files."""

    mounts: tuple[CacheMount, ...]
    bytes: int


def remove_named(ctx: Layers, text: str) -> Gone:
    """Removes the cache mounts with this id, or the one object. NotFound; Conflict when one is in use."""
    found = named(ctx.db.read(), text)
    for row in found:
        if objects.in_use(ctx, row):
            raise _busy(row)
    return Gone(tuple(found), sum([_remove(ctx, row) for row in found]))


def _remove(ctx: Layers, row: CacheMount) -> int:
    freed = objects.remove(ctx, row)
    if freed is None:
        raise _busy(row)
    return freed


def _busy(row: CacheMount) -> Conflict:
    return Conflict(
        f"cache mount {row.id} ({row.name}) is in use by a build", hint="wait until the build ends"
    )


def prune(ctx: Layers, *, detached: bool = False) -> Gone:
    """Removes all that nobody uses; with `detached` only those that no build finds any more."""
    freed, gone = 0, []
    for row in rows.mounts(ctx.db.read()):
        if detached and not row.detached:
            continue
        size = objects.remove(ctx, row)
        if size is not None:
            freed += size
            gone.append(row)
    return Gone(tuple(gone), freed)


def settle(ctx: Layers, before: int | None = None) -> int:
    """Makes rows and folders agree; the bytes that this freed.

    A row without a folder goes. A folder without a row gets one: it was complete before it had its
    name. A folder that does not say what it is goes when it is older than `before` (ns since 1970).
    """
    for row in rows.mounts(ctx.db.read()):
        if not objects.is_there(ctx, row.name):
            with ctx.db.write(durable=False) as tx:
                if not objects.is_there(ctx, row.name):
                    rows.delete(tx, row.name)
    freed = 0
    try:
        names = os.listdir(ctx.layout.cachemounts)
    except FileNotFoundError:
        return 0
    known = {row.name for row in rows.mounts(ctx.db.read())}
    for name in names:
        if name not in known and temp_owner(name) is None:
            freed += _adopt(ctx, name, before)
    return freed


def _adopt(ctx: Layers, name: str, before: int | None) -> int:
    path = f"{ctx.layout.cachemounts}/{name}"
    try:
        row = info.read(path + "/info.json", name)
        ctx.layout.cache_mount(name)
    except (Corrupt, InvalidInput):
        if before is None or not is_older(path, before):
            return 0
        size = tree_size(path)
        remove_tree(path)
        return size
    with ctx.db.write(durable=False) as tx:
        if rows.get(tx, name) is None and os.path.exists(path):
            rows.put(tx, row)
    return 0
