"""Siblings: layers that are other versions of a layer, as their instruction or the names of images say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.oci.digest import DiffID

if TYPE_CHECKING:
    import sqlite3

    from lamina.oci.digest import ImageID


def siblings(c: sqlite3.Connection, image_id: ImageID, number: int, most: int) -> list[DiffID]:
    """Other layers made by the same instruction as layer `number` (from 1) of an image, the newest first.

    Then those of the same number in images that have a name in the same repository. None is like the layer
    itself; at most `most`.
    """
    rows = c.execute(
        """WITH mine AS (SELECT l.diff_id, l.created_by FROM image_layers AS i
            JOIN layers AS l USING (chain_id) WHERE i.image_id = :image AND i.position = :position),
        repositories AS (SELECT DISTINCT rtrim(name, replace(name, ':', '')) AS repository FROM tags
            WHERE image_id = :image),
        found AS (
            SELECT l.diff_id, 0 AS weight, l.created FROM layers AS l
                JOIN mine ON l.created_by = mine.created_by WHERE l.created_by <> ''
            UNION ALL
            SELECT l.diff_id, 1, l.created FROM tags AS t JOIN repositories AS r
                ON rtrim(t.name, replace(t.name, ':', '')) = r.repository
                JOIN image_layers AS i ON i.image_id = t.image_id AND i.position = :position
                JOIN layers AS l USING (chain_id))
        SELECT diff_id FROM found WHERE diff_id <> (SELECT diff_id FROM mine)
        GROUP BY diff_id ORDER BY min(weight), max(created) DESC, diff_id LIMIT :most""",
        {"image": image_id, "position": number - 1, "most": most},
    )
    return [DiffID(row[0]) for row in rows]
