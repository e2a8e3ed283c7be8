"""present: which contents of files the store has, by their digests.

There is no index on the digests of files: it would double the database, and make each layer's rows half as
fast again to put, while one look at all rows takes 0.35 s for a million of them (docs/delta.md).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.db import leases
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable

    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID


class Place(NamedTuple):
    """Where a content is: a file of a layer of the store."""

    diff_id: DiffID
    path: bytes


def any_files(ctx: Layers) -> bool:
    """Whether the store has a layer with anything in it."""
    return ctx.db.read().execute("SELECT 1 FROM diffs WHERE size > 0 LIMIT 1").fetchone() is not None


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
            digest.hex(): Place(numbers[number], parent + b"/" + name if parent else name)
            for number, parent, name, digest in rows
            if number in numbers
        }
    finally:
        c.execute("DROP TABLE temp.wanted_contents")
    return _held(ctx, found)


def _keys(digests: Iterable[str]) -> list[tuple[bytes]]:
    return [(bytes.fromhex(digest),) for digest in digests]


def _here(ctx: Layers, c: sqlite3.Connection) -> dict[int, DiffID]:
    """The numbers of the layers that have a folder."""
    rows = c.execute("SELECT num, diff_id FROM diffs").fetchall()
    return {number: diff_id for number, diff_id in rows if os.path.isdir(ctx.layout.diff_dir(diff_id))}


def _held(ctx: Layers, found: dict[str, Place]) -> dict[str, Place]:
    """What of it is in layers that are still there, now that our lease keeps them."""
    layers = {place.diff_id for place in found.values()}
    with ctx.db.write(durable=False) as tx:
        leases.hold(tx, ctx.lease.id, leases.DIFF, *layers)
        rows = tx.execute("SELECT diff_id FROM diffs").fetchall()
    there = layers.intersection([row[0] for row in rows])
    return {digest: place for digest, place in found.items() if place.diff_id in there}
