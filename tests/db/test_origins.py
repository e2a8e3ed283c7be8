"""Where the line of a layer stands: by the records of builds, also when the layer stands on others now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import builds, cachedb, imagedb, layerdb
from lamina.db.origins import lines_of, origins
from tests.db.making import WHEN, an_image, put_chain
from tests.db.test_builds import build_row, step_row

if TYPE_CHECKING:
    import sqlite3

    from lamina.db.connect import Database
    from lamina.db.layerdb import Layer


def record(c: sqlite3.Connection, build: str, layer: Layer, line: int, status: str = "run") -> None:
    """A build whose step at this line of the Dockerfile made the layer."""
    step = step_row(line, status)
    key = f"key of {layer.diff_id}"
    builds.put(c, build_row(build), [(*step[:9], layer.diff_id, None, key, layer.chain_id, *step[13:])])
    cachedb.put_step(c, cachedb.Step(key, layer.diff_id, (), layer.created_by, WHEN, 1.0))


def test_the_newest_build_counts(db: Database) -> None:
    with db.write() as tx:
        base, app = put_chain(tx, "base", "app")
        record(tx, "b1", app, 5)
        record(tx, "b2", app, 7, "cached")
        record(tx, "b3", app, 9, "failed")
    found = origins(db.read(), [base.chain_id, app.chain_id])
    assert set(found) == {app.chain_id}
    assert (found[app.chain_id].build, found[app.chain_id].line) == ("b2", 7)


def test_a_layer_that_was_moved_keeps_its_line(db: Database) -> None:
    with db.write() as tx:
        record(tx, "b1", put_chain(tx, "base", "app")[1], 5)
        moved = put_chain(tx, "newer", "app")[1]
    (origin,) = origins(db.read(), [moved.chain_id]).values()
    assert (origin.line, origin.text) == (5, "RUN 5")


def test_the_same_changes_by_another_instruction_are_not_its(db: Database) -> None:
    with db.write() as tx:
        app = put_chain(tx, "base", "app")[1]
        record(tx, "b1", app, 5)
        (below,) = put_chain(tx, "newer")
        diff = layerdb.need_diff(tx, app.diff_id)
        other = layerdb.put_layer(tx, layerdb.make_layer(below, diff, "made by hand", WHEN))
    assert origins(db.read(), [other.chain_id]) == {}


def test_lines_of_an_image(db: Database) -> None:
    image = an_image("app")
    with db.write() as tx:
        builds.put_lines(tx, image.image_id, "Dockerfile", "3 4")
        imagedb.put_image(tx, image, [])
    assert lines_of(db.read(), image.image_id) == ("", ())  # it was no image then
    with db.write() as tx:
        builds.put_lines(tx, image.image_id, "Dockerfile", "3 4")
        builds.put_lines(tx, image.image_id, "Other", "0 9")
    assert lines_of(db.read(), image.image_id) == ("Other", (0, 9))
