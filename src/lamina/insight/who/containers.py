"""Containers that hold what is asked for: in a layer of their image, or in what they wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import containerdb
from lamina.insight.who.answer import HoldingContainer
from lamina.insight.who.finding import in_writable
from lamina.insight.who.judging import LayerAct, judge
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from lamina.db.containerdb import Container
    from lamina.insight.who.answer import Seen
    from lamina.insight.who.finding import Find, WritableLayer
    from lamina.insight.who.query import Query
    from lamina.insight.who.ways import Way
    from lamina.oci.digest import ChainID


def holding_containers(
    c: sqlite3.Connection,
    ways: Sequence[Way],
    diff_ids: Mapping[int, str],
    writable: Sequence[WritableLayer],
    query: Query,
    kind: str,
) -> list[HoldingContainer]:
    """By name; `writable` is what they wrote, of those that are looked through."""
    layers = {layer.row.id: layer for layer in writable}
    found = []
    for row in containerdb.containers(c):
        layer = layers.get(row.id)
        own = _own(layer, query, kind) if layer else {}
        number = 1 + _depth(c, row.chain_id)
        seen = _seen(row, ways, diff_ids, layer.entries if layer else {}, own, number)
        if seen:
            found.append(HoldingContainer(row.id, row.name, row.image_name, row.state, tuple(seen)))
    return sorted(found, key=lambda held: held.name)


def _own(layer: WritableLayer, query: Query, kind: str) -> dict[bytes, list[Find]]:
    own: dict[bytes, list[Find]] = {}
    for found in in_writable(layer, query, kind):
        own.setdefault(found.path, []).append(found)
    return own


def _seen(
    row: Container,
    ways: Sequence[Way],
    diff_ids: Mapping[int, str],
    entries: Mapping[bytes, Entry],
    own: Mapping[bytes, Sequence[Find]],
    number: int,
) -> list[Seen]:
    by_path = {way.path: way for way in ways}
    seen = []
    for path in sorted({*own, *by_path}):
        way = by_path.get(path)
        deeds = way.deeds(row.chain_id) if way and row.chain_id else []
        there = _says(entries, path)
        if there is not None:
            deeds.append(LayerAct(number, there, own.get(path, ())))
        seen += judge(deeds, diff_ids)
    return seen


def _depth(c: sqlite3.Connection, chain_id: ChainID | None) -> int:
    row = c.execute("SELECT depth FROM layers WHERE chain_id = ?", (chain_id,)).fetchone()
    return int(row[0]) if row else 0


def _says(entries: Mapping[bytes, Entry], path: bytes) -> bool | None:
    """Whether the path is there above what a container wrote; None when that says nothing of it."""
    entry = entries.get(path)
    if entry is not None:
        return entry.kind is not Kind.WHITEOUT
    while path:
        path = path.rpartition(b"/")[0]
        entry = entries.get(path)
        if entry is not None and (entry.kind is not Kind.DIR or entry.opaque):
            return False
    return None
