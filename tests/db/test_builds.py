"""Records of builds as rows: written, found, bounded, and gone with all that belongs to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamina.db import builds, recorded
from lamina.db.bases import bases_on
from lamina.errors import Conflict, InvalidInput, NotFound

if TYPE_CHECKING:
    import sqlite3

    from lamina.db.builds import Value
    from lamina.db.connect import Database


def build_row(build_id: str, status: str = "completed", log_bytes: int = 0) -> tuple[Value, ...]:
    return (
        build_id, status, "lease", "2026-11-23T08:00:00Z", 1.5, "Dockerfile", "/app", "", "a\nb", "sha256:i",
        "", 0, 2, 1, 1, bool(log_bytes), log_bytes,
    )  # fmt: skip


def step_row(number: int, status: str = "run", kept: str = "") -> tuple[Value, ...]:
    text, rule, reason = f"RUN {number}", "", ""
    return (
        number, "", text, number, number, 9, status, 0.1, 0.2, "", None, "k", f"c{number}", "{}", kept,
        rule, reason, "",
    )  # fmt: skip


def add(c: sqlite3.Connection, *names: str, log_bytes: int = 0) -> None:
    for name in names:
        builds.put(c, build_row(name, log_bytes=log_bytes), [step_row(1), step_row(2)])


def test_a_record_and_its_steps(db: Database) -> None:
    with db.write() as tx:
        add(tx, "a1aaaaaaaaaa")
    found = recorded.find(db.read(), "a1aaaaaaaaaa")
    assert (found.status, found.seconds, found.tags, found.image_id) == ("completed", 1.5, "a\nb", "sha256:i")
    assert [step.text for step in recorded.steps(db.read(), found.id)] == ["RUN 1", "RUN 2"]


def test_a_second_write_replaces_the_first(db: Database) -> None:
    with db.write() as tx:
        builds.put(tx, build_row("a1", "running"), [step_row(1, "running"), step_row(2, "not reached")])
        builds.put_steps(tx, "a1", [step_row(1, "run")])
    assert [step.status for step in recorded.steps(db.read(), "a1")] == ["run", "not reached"]
    with db.write() as tx:
        builds.put(tx, build_row("a1"), [step_row(1), step_row(2)])
    assert [build.status for build in recorded.builds(db.read())] == ["completed"]
    assert [step.status for step in recorded.steps(db.read(), "a1")] == ["run", "run"]


def test_steps_of_a_record_that_was_removed_are_not_written(db: Database) -> None:
    with db.write() as tx:
        builds.put_steps(tx, "gone", [step_row(1)])
    assert db.read().execute("SELECT count(*) FROM build_steps").fetchone() == (0,)


def test_found_by_prefix_and_by_distance(db: Database) -> None:
    with db.write() as tx:
        add(tx, "a1aaaaaaaaaa", "a1bbbbbbbbbb", "c9cccccccccc")
    c = db.read()
    assert recorded.find(c).id == recorded.find(c, "^0").id == recorded.find(c, "c9").id == "c9cccccccccc"
    assert recorded.find(c, "^2").id == "a1aaaaaaaaaa"
    assert recorded.find(c, "a1b").id == "a1bbbbbbbbbb"
    with pytest.raises(Conflict, match="ambiguous"):
        recorded.find(c, "a1")
    for name in ("^3", "z", "\udcff", "A1AAAAAAAAAA"):
        with pytest.raises(NotFound):
            recorded.find(c, name)
    for name in ("^", "^x", "^-1", "^" + "9" * 30):
        with pytest.raises((InvalidInput, NotFound)):
            recorded.find(c, name) if name != "^" else recorded.find(c, "^ ")


def test_no_record_at_all(db: Database) -> None:
    with pytest.raises(NotFound, match="no build is recorded"):
        recorded.find(db.read())
    with pytest.raises(NotFound, match="no build has failed"):
        recorded.find_failed(db.read())


def test_which_words_name_a_build(db: Database) -> None:
    with db.write() as tx:
        add(tx, "a1aaaaaaaaaa")
    c = db.read()
    assert all(recorded.names_build(c, word) for word in ("a1aaaaaaaaaa", "a1aa", "^1", "b2bbbbbbbbbb"))
    assert not any(
        recorded.names_build(c, word) for word in ("a1", "sh", "bash", "^", "a1bb", "./a1aa", "g++")
    )


def test_the_last_that_failed(db: Database) -> None:
    with db.write() as tx:
        builds.put(tx, build_row("a1", "error"), [])
        builds.put(tx, build_row("b1", "error"), [])
        builds.put(tx, build_row("c1", "canceled"), [])
    assert recorded.find_failed(db.read()).id == "b1"
    assert recorded.find_failed(db.read(), "a1").id == "a1"


def test_the_oldest_go_when_they_are_too_many(db: Database) -> None:
    names = [f"b{number}" for number in range(6)]
    with db.write() as tx:
        add(tx, *names)
        assert builds.trim(tx, 4, 1 << 30) == [], "none of them has logs"
    assert [build.id for build in recorded.builds(db.read())] == ["b5", "b4", "b3", "b2"]
    assert db.read().execute("SELECT count(*) FROM build_steps").fetchone() == (8,), "steps go with them"


def test_the_oldest_go_when_their_logs_are_too_long(db: Database) -> None:
    with db.write() as tx:
        add(tx, "a1", "b1", "c1", log_bytes=40)
        assert builds.trim(tx, 100, 100) == ["a1"]
        assert builds.trim(tx, 100, 10) == ["b1"], "the newest stays, however long its log"
    assert builds.count(db.read()) == 1


def test_what_runs_stays(db: Database) -> None:
    with db.write() as tx:
        builds.put(tx, build_row("a1", "running"), [])
        add(tx, "b1", "c1")
        builds.trim(tx, 1, 1 << 30)
    assert [build.id for build in recorded.builds(db.read())] == ["c1", "a1"]


def test_one_that_died(db: Database) -> None:
    with db.write() as tx:
        builds.put(tx, build_row("a1", "running"), [])
        assert recorded.running(tx) == [("a1", "lease")]
        recorded.settle(tx, "a1", 77)
        recorded.settle(tx, "a1", 99)
    found = recorded.find(db.read(), "a1")
    assert (found.status, found.log_bytes) == ("interrupted", 77)


def test_what_failed_steps_left(db: Database) -> None:
    with db.write() as tx:
        builds.put(tx, build_row("a1", "error"), [step_row(1), step_row(2, "failed", "failed-a1-2")])
        assert recorded.kept(tx) == {"failed-a1-2": ("a1", 2)}
        recorded.update_step(tx, "a1", 2, diff_id="sha256:d", chain_id="sha256:c")
        assert recorded.steps(tx, "a1")[1][9:13] == ("sha256:d", None, "k", "sha256:c")
        recorded.forget_kept(tx, "failed-a1-2")
        assert recorded.kept(tx) == {}
        recorded.delete(tx, "a1")
    assert recorded.builds(db.read()) == []


def test_what_reasons_are_found_by(db: Database) -> None:
    with db.write() as tx:
        add(tx, "a1", "b1", "c1")
    c = db.read()
    assert recorded.alike(c, "Dockerfile", "/app", "", most=9) == ["c1", "b1", "a1"]
    assert recorded.alike(c, "Dockerfile", "/app", "", without="c1") == ["b1"]
    assert recorded.alike(c, "Dockerfile", "/app", "other") == []
    assert recorded.making(c, "sha256:i") == "c1"
    assert recorded.making(c, "sha256:other") is None
    assert bases_on(c, ["c1", "c2"]) == [("c1", "k")] * 3, "only what a FROM led to"
