"""Images that hold what is asked for, with the names of those that are only parts of an index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.insight.who.answer import HoldingImage, Seen
from lamina.insight.who.judging import judge
from lamina.oci import reference

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from lamina.insight.who.ways import Way
    from lamina.oci.digest import ChainID

_NAMES = """SELECT name, image_id FROM tags
    UNION SELECT t.name, m.image_id FROM tags AS t JOIN index_images AS m ON m.digest = t.index_digest"""
_PLATFORM = "i.os || '/' || i.architecture || CASE i.variant WHEN '' THEN '' ELSE '/' || i.variant END"


def holding_images(
    c: sqlite3.Connection, ways: Sequence[Way], diff_ids: Mapping[int, str]
) -> list[HoldingImage]:
    """The images with something found in their layers, by name."""
    if not ways:
        return []
    tops: dict[ChainID, tuple[Seen, ...]] = {}  # images that differ in their configs share a stack
    # SQLite takes the other columns from the row that has the greatest position
    rows = c.execute(
        f"SELECT i.image_id, {_PLATFORM}, p.chain_id, max(p.position) FROM image_layers AS p "
        "JOIN images AS i USING (image_id) GROUP BY i.image_id"
    )
    found = []
    for image_id, platform, top, _ in rows:
        if top not in tops:
            above = [way for way in ways if top in way.above]
            tops[top] = tuple([seen for way in above for seen in judge(way.deeds(top), diff_ids)])
        if tops[top]:
            found.append(HoldingImage(image_id, (), platform, tops[top]))
    return _with_names(c, found)


def images_of(c: sqlite3.Connection, seen: Mapping[str, Sequence[Seen]]) -> list[HoldingImage]:
    """The images with these IDs, by name."""
    sql = f"SELECT {_PLATFORM} FROM images AS i WHERE image_id = ?"
    found = [
        HoldingImage(image_id, (), c.execute(sql, (image_id,)).fetchone()[0], tuple(each))
        for image_id, each in seen.items()
    ]
    return _with_names(c, found)


def _with_names(c: sqlite3.Connection, images: Sequence[HoldingImage]) -> list[HoldingImage]:
    """The images with their names, sorted by these."""
    names: dict[str, list[str]] = {}
    for name, image_id in c.execute(_NAMES) if images else ():
        names.setdefault(image_id, []).append(name)
    found = []
    for image_id, _, platform, seen in images:
        known = sorted([reference.shortened(name) for name in names.get(image_id, ())])
        found.append(HoldingImage(image_id, tuple(known), platform, seen))
    return sorted(found, key=lambda image: (not image.names, image.names, image.platform, image.image_id))
