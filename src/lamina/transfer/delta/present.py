"""present: which contents of files the store has, by their digests.

There is no index on the digests of files: it would double the database, and make each layer's rows half as
fast again to put, while one look at all rows takes 0.35 s for a million of them (docs/delta.md).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.db import leases
from lamina.db.files import joined
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable

    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID


_LARGE = 16 << 20  # bytes
_MOST_PLACES = 2


class Place(NamedTuple):
    """Where a content is: a file of a layer of the store."""

    diff_id: DiffID
    path: bytes


def may_have(ctx: Layers, repository: str, size: int) -> bool:
    """Whether a look at the table of a blob of `size` bytes may pay: it is one or two requests more.

    It does where this store has had something of the `repository` (its full name), an older version, say; and
    for a large blob, where a look is little beside it, if there are any files at all.
    """
    c = ctx.db.read()
    if c.execute("SELECT 1 FROM diffs WHERE size > 0 LIMIT 1").fetchone() is None:
        return False
    if size >= _LARGE or c.execute("SELECT 1 FROM places WHERE repository = ?", (repository,)).fetchone():
        return True
    names = (repository + ":", repository + ";")  # what follows a colon
    return c.execute("SELECT 1 FROM tags WHERE name > ? AND name < ?", names).fetchone() is not None


def find(ctx: Layers, digests: Collection[str]) -> dict[str, Place]:
    """A file with each of these contents (SHA-256 in hex), of layers whose files are really here.

    Our lease holds these layers from now on. The files are to be verified as they are read.
    """
    if not digests:
        return {}
    c = ctx.db.read()
    c.execute("CREATE TEMP TABLE wanted_contents (digest BLOB PRIMARY KEY) WITHOUT ROWID")
    try:
        c.executemany("INSERT OR IGNORE INTO wanted_contents VALUES (?)", _keys(digests))
        numbers = _here(ctx, c)
        # CROSS JOIN holds SQLite to this order: all rows once, and for each a look at what is wanted
        rows = c.execute(
            """SELECT f.diff, f.parent, f.name, f.digest FROM files AS f
            CROSS JOIN temp.wanted_contents AS w ON w.digest = f.digest WHERE f.kind = ?""",
            (Kind.FILE.value,),
        )
        found = {
            digest.hex(): Place(numbers[number], joined(parent, name))
            for number, parent, name, digest in rows
            if number in numbers
        }
    finally:
        c.execute("DROP TABLE temp.wanted_contents")
    there = _still(ctx, {place.diff_id for place in found.values()})
    return {digest: place for digest, place in found.items() if place.diff_id in there}


def at_paths(ctx: Layers, paths: Collection[bytes]) -> dict[bytes, list[Place]]:
    """The files at these paths in layers that are really here, a few of each, the newest layers first.

    Our lease holds these layers from now on.
    """
    c = ctx.db.read()
    numbers = _here(ctx, c) if paths else {}
    found: dict[bytes, list[Place]] = {}
    for path in paths:
        parent, _, name = path.rpartition(b"/")
        rows = c.execute(
            """SELECT d.num FROM diffs AS d CROSS JOIN files AS f
            ON f.diff = d.num AND f.parent = ? AND f.name = ? WHERE f.kind = ? ORDER BY d.num DESC""",
            (parent, name, Kind.FILE.value),
        )
        found[path] = [Place(numbers[number], path) for (number,) in rows if number in numbers][:_MOST_PLACES]
    there = _still(ctx, {place.diff_id for places in found.values() for place in places})
    return {path: [place for place in places if place.diff_id in there] for path, places in found.items()}


def _keys(digests: Iterable[str]) -> list[tuple[bytes]]:
    return [(bytes.fromhex(digest),) for digest in digests]


def _here(ctx: Layers, c: sqlite3.Connection) -> dict[int, DiffID]:
    """The numbers of the layers that have a folder."""
    rows = c.execute("SELECT num, diff_id FROM diffs").fetchall()
    return {number: diff_id for number, diff_id in rows if os.path.isdir(ctx.layout.diff_dir(diff_id))}


def _still(ctx: Layers, layers: set[DiffID]) -> set[DiffID]:
    """Those of these layers that are there, now that our lease keeps them."""
    with ctx.db.write(durable=False) as tx:
        leases.hold(tx, ctx.lease.id, leases.DIFF, *layers)
        rows = tx.execute("SELECT diff_id FROM diffs").fetchall()
    return layers.intersection([row[0] for row in rows])
