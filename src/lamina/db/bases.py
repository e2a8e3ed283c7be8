"""Base images: those whose whole stack is the lower part of another's, and those that builds stood on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db.marks import marks
from lamina.oci import reference
from lamina.oci.digest import ImageID, short

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence


class Base(NamedTuple):
    """An image of the store that another one stands on."""

    image_id: ImageID
    layers: int  # how many of the other's layers are its own
    names: tuple[str, ...]  # full names, sorted; () where it has none

    @property
    def label(self) -> str:
        """What to call it: its first name as Docker prints it, else its short ID."""
        return reference.parse(self.names[0]).familiar() if self.names else short(self.image_id)


def bases(c: sqlite3.Connection, image_id: ImageID) -> list[Base]:
    """The images that have fewer layers than this one, all of them its lowest; the highest first.

    What a recorded build of this one made itself is no base, though an earlier build may have ended there.
    Of those with the same layers (they differ in their config) the named ones come first, then by age.
    """
    found = _below(c, image_id)
    highest = [base for base in found if base.layers == found[0].layers]
    return highest + bases(c, highest[0].image_id) if len(found) > len(highest) else highest


def _below(c: sqlite3.Connection, image_id: ImageID) -> list[Base]:
    rows = c.execute(
        """WITH mine AS (SELECT position, chain_id FROM image_layers WHERE image_id = ?),
        top AS (SELECT max(position) AS position FROM mine),
        own AS (SELECT low.chain_id FROM build_steps AS high JOIN build_steps AS low ON low.build = high.build
            JOIN layers AS l ON l.chain_id = low.chain_id AND l.diff_id = low.diff_id
            WHERE high.chain_id = (SELECT chain_id FROM mine JOIN top USING (position))
            AND high.place > 1 AND low.place > 1 AND low.status IN ('run', 'cached'))
        SELECT o.image_id, m.position + 1, (SELECT group_concat(name, x'0a') FROM (
            SELECT name FROM tags WHERE image_id = o.image_id ORDER BY name)) AS names
        FROM mine AS m JOIN top JOIN image_layers AS o ON o.chain_id = m.chain_id AND o.position = m.position
        JOIN images AS i ON i.image_id = o.image_id
        WHERE m.position < top.position AND m.chain_id NOT IN own
        AND NOT EXISTS (
            SELECT 1 FROM image_layers AS n WHERE n.image_id = o.image_id AND n.position = o.position + 1)
        ORDER BY m.position DESC, names IS NULL, i.created, o.image_id""",
        (image_id,),
    )
    return [Base(ImageID(name), count, tuple(tags.split("\n")) if tags else ()) for name, count, tags in rows]


def bases_on(c: sqlite3.Connection, chain_ids: Sequence[str]) -> list[tuple[str, str]]:
    """The FROMs of images that end with one of these chain IDs: which, and `name@digest`; newest first."""
    rows = c.execute(
        "SELECT chain_id, key FROM build_steps WHERE place = 1 AND key <> '' "
        f"AND chain_id IN ({marks(chain_ids)}) ORDER BY build DESC, step LIMIT 100",
        tuple(chain_ids),
    )
    return rows.fetchall()


def stood_on(c: sqlite3.Connection, image_id: ImageID) -> list[tuple[str, str]]:
    """The same of the FROMs in the recorded builds that made this image."""
    rows = c.execute(
        "SELECT s.chain_id, s.key FROM builds AS b JOIN build_steps AS s ON s.build = b.num "
        "WHERE b.image_id = ? AND s.place = 1 AND s.key <> '' ORDER BY s.build DESC, s.step",
        (image_id,),
    )
    return rows.fetchall()
