"""ask: what a query may do, and what it may not; how it ends."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from lamina.db import cachedb, imagedb, layerdb
from lamina.db.connect import Database
from lamina.db.usersql import Stopped, ask, columns
from lamina.db.views import VIEWS
from lamina.errors import Corrupt, InvalidInput
from lamina.tree.entry import Entry, Kind
from tests.db.making import a_diff, an_image, put_chain

if TYPE_CHECKING:
    from pathlib import Path

ENDLESS = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A database with an image of two layers."""
    name = str(tmp_path / "lamina.db")
    odd = Entry(b"usr/\xff\x1b", Kind.FILE, 0o4755, size=3, mtime=7_000_000_000, digest="ab" * 32)
    with Database.open(name) as db, db.write() as tx:
        layers = put_chain(tx, "low", "high")
        cachedb.put_files(tx, a_diff("high").diff_id, [Entry(b"usr", Kind.DIR), odd])
        imagedb.put_image(tx, an_image("i"), [layer.chain_id for layer in layers])
        imagedb.put_tag(tx, "docker.io/library/i:latest", an_image("i").image_id)
    return name


def rows(path: str, sql: str, *values: str) -> list[tuple[object, ...]]:
    return list(ask(path, sql, values).rows)


def test_rows_of_the_views(path: str) -> None:
    assert rows(path, "SELECT name, layers FROM images") == [("docker.io/library/i:latest", 2)]
    assert rows(path, "SELECT number, created_by FROM image_layers ORDER BY 1") == [
        (1, "RUN low"),
        (2, "RUN high"),
    ]
    sql = (
        "SELECT path, type, printf('%o', mode), mtime, sha256 FROM files WHERE diff_id = ? AND type = 'file'"
    )
    found = rows(path, sql, a_diff("high").diff_id)
    assert found == [("/usr/\udcff\x1b", "file", "4755", 7, "ab" * 32)]
    assert os.fsencode(str(found[0][0])) == b"/usr/\xff\x1b"


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_can_be_read_and_counted(path: str, view: str) -> None:
    whole = rows(path, f"SELECT * FROM {view}")
    assert rows(path, f"SELECT count(*) FROM {view}") == [(len(whole),)]
    assert rows(path, f"WITH x AS (SELECT * FROM {view}) SELECT count(*) FROM x") == [(len(whole),)]


def test_no_store_is_an_empty_one(tmp_path: Path) -> None:
    assert rows(str(tmp_path / "none.db"), "SELECT count(*) FROM files") == [(0,)]
    assert not (tmp_path / "none.db").exists()
    assert columns(str(tmp_path / "none.db"))["names"] == ("name", "image_id", "index_digest")


def test_columns_of_one_name_are_told_apart(path: str) -> None:
    assert ask(path, "SELECT 1 AS a, 2 AS a, 3 AS a_2, 4 AS a").columns == ("a", "a_2", "a_2_2", "a_3")


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM images",
        "INSERT INTO names VALUES ('a', 'b', NULL)",
        "UPDATE containers SET state = 'x'",
        "DROP VIEW images",
        "CREATE TABLE x (y)",
        "CREATE TEMP TABLE x (y)",
        "ATTACH ':memory:' AS other",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA query_only = OFF",
        "SELECT * FROM pragma_table_info('images')",
        "VACUUM INTO '/tmp/copy'",
        "BEGIN",
        "SELECT load_extension('x')",
        "SELECT * FROM sqlite_master",
        "SELECT name FROM tags",
        "SELECT config_json FROM main.containers",
        "SELECT (SELECT config_json FROM main.containers)",
        "WITH images AS (SELECT name FROM main.tags) SELECT * FROM images",
        "WITH x AS (SELECT hashes FROM main.digest_sieves) SELECT * FROM x",
        "SELECT 1 FROM images WHERE EXISTS (SELECT lease FROM main.leases)",
        "SELECT 1; SELECT 2",
        "SELECT nothing FROM images",
        "SELECT",
        "",
        "-- a remark",
        "SELECT '\0'",
        "SELECT ?",
        "SELECT length(randomblob(1000000000))",
    ],
)
def test_what_is_refused(path: str, sql: str) -> None:
    before = os.stat(path).st_mtime_ns
    with pytest.raises(InvalidInput):
        rows(path, sql)
    assert rows(path, "SELECT count(*) FROM images") == [(1,)]
    assert os.stat(path).st_mtime_ns == before


def test_it_ends_in_time(path: str) -> None:
    with pytest.raises(Stopped):
        list(ask(path, ENDLESS, seconds=0.05).rows)


def test_ctrl_c_ends_it(path: str) -> None:
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        list(ask(path, ENDLESS).rows)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "lamina.db").write_text("no database " * 100)
    with pytest.raises(Corrupt):
        ask(str(tmp_path / "lamina.db"), "SELECT 1")


def test_others_may_write_meanwhile(path: str) -> None:
    answer = ask(path, "SELECT diff_id FROM layers")
    first = next(answer.rows)
    with Database.open(path) as db, db.write() as tx:
        layerdb.put_diff(tx, a_diff("new"))
    assert first
    assert len(list(answer.rows)) == 1
