"""Places: each find with what is known of the layer that holds it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from lamina.db.files import absolute
from lamina.db.marks import in_parts
from lamina.db.origins import Origin, origins
from lamina.insight.who.answer import Place
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from lamina.insight.who.finding import Find
    from lamina.insight.who.ways import Way

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


class HoldingLayer(NamedTuple):
    """A layer that holds something."""

    diff_id: str
    created_by: str  # "" where no stack has it
    images: int


def layers_of(c: sqlite3.Connection, found: Iterable[Find]) -> dict[int, HoldingLayer]:
    """The layers of the finds, by their numbers in the database."""
    rows = c.execute(
        """SELECT d.num, d.diff_id, coalesce(min(l.created_by), ''), count(DISTINCT p.image_id)
        FROM json_each(?) AS n CROSS JOIN diffs AS d ON d.num = n.value
        LEFT JOIN layers AS l ON l.diff_id = d.diff_id LEFT JOIN image_layers AS p ON p.chain_id = l.chain_id
        GROUP BY d.num""",
        (json.dumps(sorted({each.diff for each in found})),),
    )
    return {row[0]: HoldingLayer(*row[1:]) for row in rows}


def places_of(
    c: sqlite3.Connection, found: Sequence[Find], ways: Sequence[Way], layers: Mapping[int, HoldingLayer]
) -> list[Place]:
    """The finds as the answer has them."""
    known = _origins(c, ways)
    return [_place(each, layers[each.diff], known.get(each.diff)) for each in found if each.diff in layers]


def _place(found: Find, layer: HoldingLayer, origin: Origin | None) -> Place:
    entry, package = found.entry or Entry(found.path, Kind.FILE), found.package
    text = origin.text if origin else layer.created_by
    return Place(
        diff_id=layer.diff_id,
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
        images=layer.images,
    )


def _origins(c: sqlite3.Connection, ways: Sequence[Way]) -> dict[int, Origin]:
    """Where the instructions that made the layers stand, by the layers' numbers."""
    if c.execute("SELECT 1 FROM builds LIMIT 1").fetchone() is None:
        return {}
    holding = {
        layer.chain_id: layer.diff for way in ways for layer in way.above.values() if layer.diff in way.finds
    }
    known = {}
    for part in in_parts(list(holding)):
        for chain_id, origin in origins(c, part).items():
            known[holding[chain_id]] = origin
    return known
