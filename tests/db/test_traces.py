"""Traces: the newest of a recipe, until their layer goes; several writers; a database from before them."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from subprocess import PIPE
from typing import TYPE_CHECKING

import pytest

from lamina.db import cachedb, layerdb, readsets, traces
from lamina.db.connect import Connection, Database
from lamina.db.files import INSERT, rows_of
from lamina.db.migrate import migrate
from lamina.db.traces import KEPT, Trace
from lamina.errors import Conflict
from lamina.tree.entry import Entry, Kind
from lamina.tree.readset import Observed, make, pack, value_of
from tests.db.making import WHEN, a_diff, put_chain

if TYPE_CHECKING:
    from pathlib import Path

PACKED = pack(make([Observed(b"etc")], [value_of(Entry(b"etc", Kind.DIR))]))


def a_trace(word: str, recipe: str = "recipe", parent: str = "") -> Trace:
    """What a step read that made this layer."""
    return Trace(recipe, a_diff(word).diff_id, parent, f"key {word}", 1, PACKED)


def put_some(db: Database, *words: str, recipe: str = "recipe") -> list[Trace]:
    with db.write() as tx:
        put_chain(tx, *words)
        return [traces.put(tx, a_trace(word, recipe)) for word in words]


def test_the_newest_comes_first_with_all_that_was_put(db: Database) -> None:
    one, two = put_some(db, "one", "two")
    put_some(db, "three", recipe="other")
    doubtful = a_trace("one", parent="sha256:chain")._replace(read_set=None, paths=0, doubt="it overflowed")
    with db.write() as tx:
        doubtful = traces.put(tx, doubtful)
    assert traces.candidates(db.read(), "recipe") == [doubtful, two, one]
    assert 0 < one.num < two.num < doubtful.num
    assert traces.candidates(db.read(), "none") == []


def test_of_a_recipe_eight_stay(db: Database) -> None:
    words = [str(number) for number in range(KEPT + 3)]
    other = put_some(db, "x", recipe="other")
    put = put_some(db, *words)
    assert traces.candidates(db.read(), "recipe") == put[:-9:-1]
    assert traces.candidates(db.read(), "other") == other


def test_the_same_run_on_the_same_layers_is_there_once(db: Database) -> None:
    one, two = put_some(db, "one", "two")
    with db.write() as tx:
        again = traces.put(tx, a_trace("one")._replace(paths=7))
        elsewhere = traces.put(tx, a_trace("one", parent="sha256:chain"))
    assert traces.candidates(db.read(), "recipe") == [elsewhere, again, two]
    assert one not in traces.candidates(db.read(), "recipe")


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("path", [b"", b"etc/passwd", b"\xff\n"])
def test_what_differed_is_noted(db: Database, path: bytes, listed: bool) -> None:
    one, two = put_some(db, "one", "two")
    assert one.failed is None
    with db.write(durable=False) as tx:
        traces.note_failed(tx, one, Observed(path, listed))
    found = [trace.failed for trace in traces.candidates(db.read(), "recipe")]
    assert found == [None, Observed(path, listed)]
    with db.write() as tx:  # nor does a row that went come back
        traces.delete(tx, two)
        traces.note_failed(tx, two, Observed(b"x"))
    assert [trace.num for trace in traces.candidates(db.read(), "recipe")] == [one.num]


def test_a_trace_goes_with_its_layer_and_with_its_step(db: Database) -> None:
    with db.write() as tx:
        for word in ("one", "two", "three"):
            layerdb.put_diff(tx, a_diff(word))
            traces.put(tx, a_trace(word))
        cachedb.put_step(tx, cachedb.Step("key three", a_diff("three").diff_id, (), "RUN", WHEN, 1.0))
        layerdb.delete_diff(tx, a_diff("two").diff_id)
    assert [trace.step for trace in traces.candidates(db.read(), "recipe")] == ["key three", "key one"]
    with db.write() as tx:
        traces.delete_of(tx, "other", "key one")
        traces.delete_of(tx, "recipe", "key two")
    assert len(traces.candidates(db.read(), "recipe")) == 2
    with db.write() as tx:
        traces.delete_lost(tx)
    assert [trace.step for trace in traces.candidates(db.read(), "recipe")] == ["key three"]


def test_a_trace_needs_its_layer(db: Database) -> None:
    with pytest.raises(Conflict), db.write() as tx:
        traces.put(tx, a_trace("unknown"))


WRITE = """
import sys
from lamina.db import layerdb, traces
from lamina.db.connect import Database
from tests.db.test_traces import a_diff, a_trace
with Database.open(sys.argv[1]) as db:
    print("ready", flush=True)
    sys.stdin.read(1)
    for number in range(12):
        with db.write(durable=False) as tx:
            word = sys.argv[2] + str(number)
            layerdb.put_diff(tx, a_diff(word))
            traces.put(tx, a_trace(word))
"""


def test_two_builds_record_at_once(tmp_path: Path) -> None:
    path = str(tmp_path / "lamina.db")
    command = [sys.executable, "-c", WRITE, path]
    writers = [subprocess.Popen([*command, name], stdin=PIPE, stdout=PIPE, stderr=PIPE) for name in "ab"]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
    printed = [writer.communicate(b"!")[1].decode() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0], "\n".join(printed)
    with Database.open(path) as db:
        found = traces.candidates(db.read(), "recipe")
        assert len(found) == KEPT
        rows = db.read().execute("SELECT num FROM traces ORDER BY num DESC").fetchall()
        assert [trace.num for trace in found] == [num for (num,) in rows]


def test_a_database_of_before_has_its_steps_and_can_have_traces(tmp_path: Path) -> None:
    path = tmp_path / "lamina.db"
    connection = sqlite3.connect(path, isolation_level=None, factory=Connection)
    migrate(connection, str(path), 5)
    diff = a_diff("old")
    file = Entry(b"a", Kind.FILE, 0o644, size=3, digest="ab" * 32)
    connection.execute("INSERT INTO diffs VALUES (1, ?, ?, ?, ?, ?, ?, ?)", diff)
    connection.executemany(
        INSERT, rows_of(1, [file, file._replace(path=b"b", kind=Kind.HARDLINK, link=b"a")])
    )
    connection.execute("INSERT INTO steps VALUES ('key', ?, '[]', 'RUN x', ?, 1.5)", (diff.diff_id, WHEN))
    connection.close()
    with Database.open(str(path)) as db:
        old = cachedb.Step("key", diff.diff_id, (), "RUN x", WHEN, 1.5)
        assert cachedb.get_step(db.read(), "key") == old  # no recipe, no parent: taken by its exact key only
        with db.write() as tx:
            trace = traces.put(tx, a_trace("old"))
        assert traces.candidates(db.read(), "recipe") == [trace]
        both = readsets.values(db.read(), [diff.diff_id], [Observed(b"a"), Observed(b"b")])
        assert both == [value_of(file, [b"a", b"b"])] * 2
