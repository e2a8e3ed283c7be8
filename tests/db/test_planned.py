"""A store's rows with others beside them: both are found, as quickly as without, and nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamina.db import cachedb, layerdb, readsets, traces
from lamina.db.cachedb import Step
from lamina.db.connect import Database
from lamina.db.layerdb import Diff
from lamina.db.planned import PlannedDatabase
from lamina.db.traces import Trace
from lamina.errors import LaminaError
from lamina.oci.digest import DiffID
from lamina.tree.entry import Entry, Kind
from lamina.tree.readset import Observed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LARGE = {"files", "f", "diffs", "d", "steps", "traces", "layers"}  # as queries call the tables of the store


def name(number: int) -> DiffID:
    return DiffID(f"sha256:{number:064x}")


def diff(number: int) -> Diff:
    return Diff(name(number), f"{number:064x}", 0, 1024, 2, None, "x")


def step(key: str, number: int) -> Step:
    return Step(key, name(number), (), "RUN x", "", 1.0, "recipe", "", "", 1.0)


BELOW = [
    Entry(b"d", Kind.DIR),
    Entry(b"d/old", Kind.FILE, size=1, digest="ab" * 32),
    Entry(b"gone", Kind.FILE),
]
ABOVE = [Entry(b"d", Kind.DIR), Entry(b"d/new", Kind.FILE), Entry(b"gone", Kind.WHITEOUT)]


@pytest.fixture
def planned(tmp_path: Path) -> Iterator[PlannedDatabase]:
    """A store with one layer and one step, and a layer that seems to be there."""
    path = str(tmp_path / "lamina.db")
    with Database.open(path) as db, db.write() as c:
        layerdb.put_diff(c, diff(1))
        cachedb.put_files(c, name(1), BELOW)
        layerdb.put_layer(c, layerdb.make_layer(None, diff(1), "", ""))
        cachedb.put_step(c, step("k1", 1))
        traces.put(c, Trace("recipe", name(1), "", "k1", 0, b"1"))
    found = PlannedDatabase.open(path, create=False)
    found.add_diff(diff(2), ABOVE)
    yield found
    found.close()


def test_layers_of_both_kinds_are_one_stack(planned: PlannedDatabase) -> None:
    c = planned.read()
    stack = [name(2), name(1)]
    assert [*cachedb.list_dir(c, stack, b"d")] == [b"new", b"old"]
    assert cachedb.lookup(c, stack, b"gone") is None
    assert cachedb.lookup(c, stack[::-1], b"gone") is not None
    base = layerdb.get_layer(c, layerdb.make_layer(None, diff(1), "", "").chain_id)
    top = layerdb.make_layer(base, diff(2), "COPY", "")
    planned.add_layer(top)
    assert layerdb.chain(c, top.chain_id) == [base, top]
    assert layerdb.need_diff(c, name(2)) == diff(2)


def test_a_step_takes_the_place_of_the_one_that_is_there(planned: PlannedDatabase) -> None:
    c = planned.read()
    planned.add_step(step("k1", 2))
    planned.add_step(step("k2", 2))
    planned.add_step(step("k2", 2)._replace(seconds=3.0))
    assert cachedb.get_step(c, "k1") == step("k1", 2)
    assert cachedb.get_step(c, "k2") == step("k2", 2)._replace(seconds=3.0)
    assert traces.candidates(c, "recipe") == []
    planned.add_trace(Trace("recipe", name(2), "", "k1", 0, b"2"))
    planned.add_trace(Trace("recipe", name(2), "", "k2", 0, b"3"))
    assert [trace.read_set for trace in traces.candidates(c, "recipe")] == [b"3", b"2"]


def test_the_file_has_none_of_it(planned: PlannedDatabase) -> None:
    with Database.open(planned.path) as other:
        assert layerdb.get_diff(other.read(), name(2)) is None
    with pytest.raises(AssertionError):
        planned.write()
    for sql in ("DELETE FROM files", "UPDATE steps SET seconds = 0", "INSERT INTO diffs SELECT * FROM diffs"):
        with pytest.raises(LaminaError, match="view"):
            planned.read().execute(sql)


def test_both_kinds_of_rows_are_found_by_their_keys(planned: PlannedDatabase) -> None:
    """A store has millions of files: no query may go over all of them."""
    seen: list[str] = []
    c = planned.read()
    c.set_trace_callback(seen.append)
    cachedb.lookup(c, [name(2), name(1)], b"d/old")
    cachedb.list_dir(c, [name(2), name(1)], b"d")
    cachedb.get_step(c, "k1")
    traces.candidates(c, "recipe")
    readsets.values(c, [name(2), name(1)], [Observed(b"d/old"), Observed(b"d", True)])
    c.set_trace_callback(None)
    assert len(seen) >= 9
    for sql in seen:
        plan = [row[3] for row in c.execute(f"EXPLAIN QUERY PLAN {sql}")]
        assert not [line for line in plan if line.startswith("SCAN") and line.split()[1] in _LARGE], (
            sql,
            plan,
        )
