"""Fates: what became of a path in every stack of the store that stands on a layer with it, all at once.

    above = standing_on(c, diffs)           # the layers that have it, and all that stand on these
    acts = acts_on(c, path, numbers)        # which of them have something there, delete or hide it
    fate(above, acts, top)                  # for one stack: what each layer did, the bottom first

A thousand images that share a base share this work: a layer is asked once, not once for each image.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from lamina.db.files import ancestors, key_of
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping

    from lamina.oci.digest import ChainID


_MANY = 8  # from more diffs on it is quicker to read all layers than to follow each stack
_STANDING = "l.chain_id, l.parent, d.num, l.depth"


class Standing(NamedTuple):
    """A layer of some stack."""

    chain_id: ChainID
    parent: ChainID | None
    diff: int  # number of the diff's row
    number: int  # in its stack, from 1, the bottom


class Act(NamedTuple):
    """What one layer did to the path."""

    layer: Standing
    there: bool  # it has something at the path; else the path is gone above it


def standing_on(c: sqlite3.Connection, diffs: Collection[int]) -> dict[ChainID, Standing]:
    """The layers with these diffs (numbers) and all that stand on them, whether an image has them or not."""
    if len(diffs) > _MANY:
        return _of_all(c, frozenset(diffs))
    rows = c.execute(
        f"""WITH RECURSIVE above (chain_id) AS (
            SELECT l.chain_id FROM json_each(?) AS n CROSS JOIN diffs AS d CROSS JOIN layers AS l
            WHERE d.num = n.value AND l.diff_id = d.diff_id
            UNION SELECT l.chain_id FROM above AS a CROSS JOIN layers AS l WHERE l.parent = a.chain_id)
        SELECT {_STANDING} FROM above AS a CROSS JOIN layers AS l CROSS JOIN diffs AS d
        WHERE l.chain_id = a.chain_id AND d.diff_id = l.diff_id""",
        (json.dumps(list(diffs)),),
    )
    return {row[0]: Standing(*row) for row in rows}


def _of_all(c: sqlite3.Connection, diffs: Collection[int]) -> dict[ChainID, Standing]:
    """The same by one pass over all layers, parents first."""
    found: dict[ChainID, Standing] = {}
    for row in c.execute(
        f"SELECT {_STANDING} FROM layers AS l JOIN diffs AS d ON d.diff_id = l.diff_id ORDER BY l.depth"
    ):
        if row[2] in diffs or row[1] in found:
            found[row[0]] = Standing(*row)
    return found


def acts_on(c: sqlite3.Connection, path: bytes, diffs: Collection[int]) -> dict[int, bool]:
    """Of these diffs those that say something of `path`: whether it is there above them.

    A layer hides it by a whiteout, by an opaque folder on the way, or by anything there that is no folder.
    """
    wanted = frozenset(diffs)
    acts = {number: False for (number,) in c.execute(_OPAQUE_ROOTS) if number in wanted}
    left = list(diffs)
    # Folder by folder: a layer that lacks one has nothing below it (the rule of cachedb).
    for way in [*ancestors(path)[1:], path]:
        rows = c.execute(_AT, (json.dumps(left), *key_of(way)))
        left = []
        for number, kind, opaque in rows:
            if way == path:
                acts[number] = kind != Kind.WHITEOUT
            elif kind != Kind.DIR or opaque:
                acts[number] = False
            if kind == Kind.DIR:
                left.append(number)
    return acts


_OPAQUE_ROOTS = "SELECT diff FROM files WHERE opaque AND parent = x'' AND name = x''"
_AT = """SELECT n.value, f.kind, f.opaque FROM json_each(?) AS n CROSS JOIN files AS f
    WHERE f.diff = n.value AND f.parent = ? AND f.name = ?"""


def fate(above: Mapping[ChainID, Standing], acts: Mapping[int, bool], top: ChainID) -> list[Act]:
    """What became of the path in the stack with this top, the bottom layer's act first.

    Layers below all of `above` are left out: they have not what was looked for.
    """
    found = []
    layer = above.get(top)
    while layer is not None:
        there = acts.get(layer.diff)
        if there is not None:
            found.append(Act(layer, there))
        layer = above.get(layer.parent) if layer.parent else None
    found.reverse()
    return found
