"""Each migration, from what stood before it."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from lamina.db import imagedb
from lamina.db.connect import SCHEMA_VERSION, Connection, Database
from lamina.db.migrate import APPLICATION_ID, migrate
from lamina.db.migrations import MIGRATIONS
from lamina.errors import LaminaError
from tests.db.making import an_image

if TYPE_CHECKING:
    from pathlib import Path


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, factory=Connection)


def version(connection: sqlite3.Connection) -> int:
    number: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return number


def test_the_version_is_the_number_of_migrations() -> None:
    assert len(MIGRATIONS) == SCHEMA_VERSION
    assert all(migration.what and migration.statements for migration in MIGRATIONS)


@pytest.mark.parametrize("number", range(len(MIGRATIONS)))
def test_each_one_follows_the_one_before(tmp_path: Path, number: int) -> None:
    connection = connect(tmp_path / "lamina.db")
    migrate(connection, "file", number)
    assert version(connection) == number
    migrate(connection, "file", number + 1)
    assert version(connection) == number + 1
    migrate(connection, "file")
    assert version(connection) == SCHEMA_VERSION
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    connection.close()


def test_the_first_tables(tmp_path: Path) -> None:
    with Database.open(str(tmp_path / "lamina.db")) as db:
        names = {name for (name,) in db.read().execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert names >= {
        "diffs", "layers", "files", "steps", "writable", "contexts", "stats",
        "images", "image_layers", "tags", "containers", "leases",
    }  # fmt: skip


def test_migrating_twice_keeps_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "lamina.db"
    with Database.open(str(path)) as db:
        with db.write() as tx:
            imagedb.put_image(tx, an_image("i"), [])
        migrate(db.read(), str(path))
        assert imagedb.images(db.read()) == [an_image("i")]


def test_one_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = MIGRATIONS[0]._replace(statements=(*MIGRATIONS[0].statements, "CREATE TABLE diffs (again)"))
    monkeypatch.setattr("lamina.db.migrate.MIGRATIONS", (broken,))
    connection = connect(tmp_path / "lamina.db")
    with pytest.raises(LaminaError):
        migrate(connection, "file", 1)
    assert version(connection) == 0
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    connection.close()
