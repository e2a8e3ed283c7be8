"""Base images, recognised by their layers: an image whose whole stack is the lower part of another's."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.oci.digest import ImageID

if TYPE_CHECKING:
    import sqlite3


class Base(NamedTuple):
    """An image of the store that another one stands on."""

    image_id: ImageID
    layers: int  # how many of the other's layers are its own
    names: tuple[str, ...]  # full names, sorted; () where it has none


def bases(c: sqlite3.Connection, image_id: ImageID) -> list[Base]:
    """The images that have fewer layers than this one, all of them its lowest; the highest first.

    Of those with the same layers (they differ in their config) the named ones come first, then by age.
    """
    rows = c.execute(
        """WITH mine AS (SELECT position, chain_id FROM image_layers WHERE image_id = ?1),
        top AS (SELECT max(position) AS position FROM mine)
        SELECT o.image_id, m.position + 1, (SELECT group_concat(name, x'0a') FROM (
            SELECT name FROM tags WHERE image_id = o.image_id ORDER BY name)) AS names
        FROM mine AS m JOIN top JOIN image_layers AS o ON o.chain_id = m.chain_id AND o.position = m.position
        JOIN images AS i ON i.image_id = o.image_id
        WHERE m.position < top.position AND NOT EXISTS (
            SELECT 1 FROM image_layers AS n WHERE n.image_id = o.image_id AND n.position = o.position + 1)
        ORDER BY m.position DESC, names IS NULL, i.created, o.image_id""",
        (image_id,),
    )
    return [Base(ImageID(name), count, tuple(tags.split("\n")) if tags else ()) for name, count, tags in rows]
