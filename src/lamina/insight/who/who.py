"""who: all images, layers and containers of the store that hold a file or a package, and where it is seen.

The sieves and keys of cachedb say which layers hold it (db.holders, db.packagedb); what became of it above
them is found for all stacks at once (db.fates).
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from lamina.db import containerdb, fates, holders
from lamina.db.origins import Origin, origins
from lamina.insight.who.answer import HoldingContainer, HoldingImage, Place, Who
from lamina.insight.who.finding import Find, find, in_writable
from lamina.insight.who.judging import Deed, absolute, judge
from lamina.insight.who.layers import named_by_digest
from lamina.oci import reference
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from lamina.db.containerdb import Container
    from lamina.db.fates import Standing
    from lamina.insight.rows import Rows
    from lamina.insight.who.answer import Seen
    from lamina.insight.who.finding import WritableLayer
    from lamina.insight.who.query import Query
    from lamina.oci.digest import ChainID

_WHAT = {
    Kind.FILE: "file",
    Kind.DIR: "folder",
    Kind.SYMLINK: "link",
    Kind.HARDLINK: "hard link",
    Kind.CHAR: "device",
    Kind.BLOCK: "device",
    Kind.FIFO: "pipe",
    Kind.SOCKET: "socket",
}
_MOST = 500  # values of a query at a time


class _Way(NamedTuple):
    """All that is known of one path that finds are at."""

    path: bytes
    finds: Mapping[int, Sequence[Find]]  # by number of the diff
    above: Mapping[ChainID, Standing]
    acts: Mapping[int, bool]

    def deeds(self, top: ChainID) -> list[Deed]:
        """What the layers of the stack with this top did to the path."""
        return [
            Deed(act.layer.number, act.layer.diff_id, act.there, self.finds.get(act.layer.diff, ()))
            for act in fates.fate(self.above, self.acts, top)
        ]


def who(
    rows: Rows,
    query: Query,
    writable: Sequence[WritableLayer] = (),
    *,
    more: sqlite3.Connection | None = None,
    unread: Sequence[str] = (),
) -> Who:
    """Who holds what is asked for.

    `writable` is what containers wrote, for those that are to be looked through; `more` a database beside the
    store's with packages of layers that this one does not know, `unread` the layers that neither does.
    """
    c = rows.connection
    holders.ready(c)
    kind, found = find(c, query, more)
    ways = _ways(c, found)
    images = _images(c, ways)
    if not found and query.digits:
        places, images = named_by_digest(c, query.digits)
    else:
        places = _places(c, found, ways)
    containers = [
        held
        for row in containerdb.containers(c)
        if (
            held := _container(
                row, ways, [each for each in writable if each.row.id == row.id], query, kind, c
            )
        )
    ]
    return Who(query.text, kind, tuple(places), tuple(images), tuple(containers), tuple(unread))


def _ways(c: sqlite3.Connection, found: Iterable[Find]) -> list[_Way]:
    by_path: dict[bytes, dict[int, list[Find]]] = {}
    for each in found:
        by_path.setdefault(each.path, {}).setdefault(each.diff, []).append(each)
    standing: dict[frozenset[int], Mapping[ChainID, Standing]] = {}
    ways = []
    for path, finds in sorted(by_path.items()):
        numbers = frozenset(finds)
        if numbers not in standing:
            standing[numbers] = fates.standing_on(c, numbers)
        above = standing[numbers]
        acts = fates.acts_on(c, path, {layer.diff for layer in above.values()})
        ways.append(_Way(path, finds, above, acts))
    return ways


def _images(c: sqlite3.Connection, ways: Sequence[_Way]) -> list[HoldingImage]:
    """The images with something found in their layers, by name."""
    if not ways:
        return []
    names: dict[str, list[str]] = {}
    for name, image_id in c.execute("SELECT name, image_id FROM tags"):
        names.setdefault(image_id, []).append(name)
    tops: dict[ChainID, list[Seen]] = {}  # images that differ in their configs share a stack
    images = []
    # SQLite takes the other columns from the row that has the greatest position
    for image_id, top, _ in c.execute(
        "SELECT image_id, chain_id, max(position) FROM image_layers GROUP BY image_id"
    ):
        if top not in tops:
            tops[top] = [seen for way in ways if top in way.above for seen in judge(way.deeds(top))]
        if tops[top]:
            images.append(HoldingImage(image_id, _familiar(names.get(image_id, ())), tuple(tops[top])))
    return sorted(images, key=lambda image: (not image.names, image.names, image.image_id))


def _familiar(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted([reference.parse(name).familiar() for name in names]))


def _places(c: sqlite3.Connection, found: Sequence[Find], ways: Sequence[_Way]) -> list[Place]:
    """Each find with what is known of its layer."""
    layers: dict[int, list[Standing]] = {}
    for way in ways:
        for layer in way.above.values():
            if layer.diff in way.finds and layer not in layers.setdefault(layer.diff, []):
                layers[layer.diff].append(layer)
    known = _origins(c, [layer.chain_id for group in layers.values() for layer in group])
    counts = _image_counts(c, layers)
    diff_ids = _diff_ids(c, {each.diff for each in found})
    return [
        _place(each, layers.get(each.diff, []), known, counts, diff_ids)
        for each in found
        if each.diff in diff_ids
    ]


def _place(
    found: Find,
    layers: Sequence[Standing],
    known: Mapping[ChainID, Origin],
    counts: Mapping[int, int],
    diff_ids: Mapping[int, str],
) -> Place:
    origin = next((known[layer.chain_id] for layer in layers if layer.chain_id in known), None)
    text = origin.text if origin else layers[0].created_by if layers else ""
    entry, package = found.entry or Entry(found.path, Kind.FILE), found.package
    return Place(
        diff_id=diff_ids[found.diff],
        path=absolute(found.path),
        what="package" if package else _WHAT[entry.kind],
        size=entry.size,
        digest=entry.digest,
        package=package.name if package else "",
        version=package.version if package else "",
        architecture=package.architecture if package else "",
        manager=found.manager,
        source=package.source if package else "",
        created_by=" ".join(text.split()),
        dockerfile=origin.dockerfile if origin else "",
        line=origin.line if origin else 0,
        images=counts.get(found.diff, 0),
    )


def _origins(c: sqlite3.Connection, chains: Sequence[ChainID]) -> dict[ChainID, Origin]:
    known: dict[ChainID, Origin] = {}
    for start in range(0, len(chains), _MOST):
        known |= origins(c, chains[start : start + _MOST])
    return known


def _image_counts(c: sqlite3.Connection, layers: Mapping[int, Sequence[Standing]]) -> dict[int, int]:
    """How many images have each diff."""
    counts = {}
    for number, group in layers.items():
        marks = ", ".join("?" * len(group[:_MOST]))
        sql = f"SELECT count(DISTINCT image_id) FROM image_layers WHERE chain_id IN ({marks})"
        counts[number] = c.execute(sql, [layer.chain_id for layer in group[:_MOST]]).fetchone()[0]
    return counts


def _diff_ids(c: sqlite3.Connection, numbers: Iterable[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    wanted = sorted(numbers)
    for start in range(0, len(wanted), _MOST):
        part = wanted[start : start + _MOST]
        found.update(
            c.execute(f"SELECT num, diff_id FROM diffs WHERE num IN ({', '.join('?' * len(part))})", part)
        )
    return found


def _container(
    row: Container,
    ways: Sequence[_Way],
    writable: Sequence[WritableLayer],
    query: Query,
    kind: str,
    c: sqlite3.Connection,
) -> HoldingContainer | None:
    """The container, if its image's layers or what it wrote hold it."""
    own: dict[bytes, list[Find]] = {}
    entries: Mapping[bytes, Entry] = {}
    number = 0
    for layer in writable:
        entries = layer.entries
        number = 1 + _depth(c, row.chain_id)
        finds = in_writable(layer, query, kind)
        own = {path: list(group) for path, group in groupby(finds, key=lambda each: each.path)}
    by_path = {way.path: way for way in ways}
    seen = []
    for path in sorted({*own, *by_path}):
        way = by_path.get(path)
        deeds = way.deeds(row.chain_id) if way and row.chain_id else []
        there = _says(entries, path)
        if there is not None:
            deeds.append(Deed(number, "", there, own.get(path, ())))
        seen += judge(deeds)
    return HoldingContainer(row.id, row.name, row.image_name, row.state, tuple(seen)) if seen else None


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
