"""Where a layer's instruction stands: the Dockerfile, the line and the stage, as records of builds say."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db.marks import marks

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from lamina.oci.digest import ChainID, ImageID


class Origin(NamedTuple):
    """The newest recorded step that made a layer, or took it from the build cache."""

    build: str  # ID of the build; "" where its record is gone
    dockerfile: str  # its name, as the build was given it
    stage: str
    text: str  # the instruction as it is written
    line: int  # in the Dockerfile, from 1


_ORIGIN = "b.id, b.dockerfile, s.stage, s.text, s.line"
_MADE = "s.line > 0 AND s.status IN ('run', 'cached') AND s.place > 1"


def origins(c: sqlite3.Connection, chain_ids: Sequence[ChainID]) -> dict[ChainID, Origin]:
    """The origin of each layer, by its chain ID, where a build is recorded that made it.

    A layer that was moved onto others since (a rebase) has the origin of the same changes by the same
    instruction.
    """
    rows = c.execute(
        f"""SELECT s.chain_id, {_ORIGIN}
        FROM build_steps AS s JOIN layers AS l ON l.chain_id = s.chain_id AND l.diff_id = s.diff_id
        JOIN builds AS b ON b.num = s.build
        WHERE s.chain_id IN ({marks(chain_ids)}) AND {_MADE} ORDER BY s.build, s.step""",
        tuple(chain_ids),
    )
    found = {row[0]: Origin(*row[1:]) for row in rows}
    others = [chain_id for chain_id in chain_ids if chain_id not in found]
    moved = c.execute(
        f"""SELECT l.chain_id, {_ORIGIN}
        FROM layers AS l JOIN build_steps AS s ON s.diff_id = l.diff_id
        JOIN steps AS k ON k.key = s.key AND k.created_by = l.created_by
        JOIN builds AS b ON b.num = s.build
        WHERE l.chain_id IN ({marks(others)}) AND {_MADE} ORDER BY s.build, s.step""",
        others,
    )
    return found | {row[0]: Origin(*row[1:]) for row in moved}


def lines_of(c: sqlite3.Connection, image_id: ImageID) -> tuple[str, tuple[int, ...]]:
    """Where the last entries of an image's history stand: the Dockerfile's name, and lines, 0 for unknown.

    As its newest build had them; ("", ()) where none is recorded.
    """
    row = c.execute("SELECT dockerfile, lines FROM image_lines WHERE image_id = ?", (image_id,)).fetchone()
    return (row[0], tuple(map(int, row[1].split()))) if row else ("", ())
