"""What cache mounts there are, and which are meant by a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.cachemounts import objects
from lamina.db import cachemounts as rows
from lamina.errors import Conflict, NotFound
from lamina.store.sync import tree_size

if TYPE_CHECKING:
    import sqlite3

    from lamina.db.cachemounts import CacheMount
    from lamina.layers.context import Layers

_DIGITS = 16  # of an object's name


class CacheSummary(NamedTuple):
    """One cache mount as it is now."""

    name: str  # of the object
    id: str  # as in the Dockerfile
    size: int  # bytes in its files
    uses: int
    created: str  # RFC 3339
    last_used: str  # RFC 3339
    sharing: str  # of the last use
    in_use: bool
    mode: int
    uid: int
    gid: int
    seed: str
    created_by: str
    folder: str  # on the host


def listing(ctx: Layers) -> list[CacheSummary]:
    """All cache mounts, the one used last first."""
    found = [summary(ctx, row) for row in rows.mounts(ctx.db.read()) if objects.is_there(ctx, row.name)]
    return sorted(found, key=lambda one: (one.last_used, one.name), reverse=True)


def summary(ctx: Layers, row: CacheMount) -> CacheSummary:
    """One of them, measured when it was used since the last time."""
    used = objects.in_use(ctx, row)
    return CacheSummary(
        row.name,
        row.id,
        size_of(ctx, row, used=used),
        row.uses,
        row.created,
        row.last_used,
        row.sharing,
        used,
        row.mode,
        row.uid,
        row.gid,
        row.seed,
        row.created_by,
        objects.data_folder(ctx, row.name),
    )


def size_of(ctx: Layers, row: CacheMount, *, used: bool) -> int:
    """Bytes in its files; noted in the row when nobody is changing them."""
    if row.size is not None and not used:
        return row.size
    size = tree_size(objects.data_folder(ctx, row.name))
    if not used:
        with ctx.db.write(durable=False) as tx:
            rows.note_size(tx, row, size)
    return size


def named(c: sqlite3.Connection, text: str) -> list[CacheMount]:
    """The cache mounts with this id, or else the one object whose name begins so. NotFound, Conflict."""
    found = rows.with_id(c, text)
    if found:
        return found
    found = rows.with_prefix(c, text)
    if not found:
        raise NotFound(f"No such cache mount: {text}", hint="`lamina cache ls` lists those that there are")
    if len(found) > 1 and len(text) < _DIGITS:
        raise Conflict(f"cache mount {text} is ambiguous: several begin so", hint="give more digits")
    return found
