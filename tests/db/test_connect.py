"""The database file: making it, sharing it, and saying what is wrong with it."""

from __future__ import annotations

import sqlite3
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from lamina.db import imagedb, leases
from lamina.db.connect import SCHEMA_VERSION, Connection, Database
from lamina.db.migrate import migrate
from lamina.errors import Conflict, Corrupt, Denied, NoSpace
from tests.db.making import an_image, put_chain
from tests.store.processes import as_nobody, end, forked, kill, line_of, open_up, spawn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_rows_are_there_when_it_is_opened_again(tmp_path: Path) -> None:
    path = str(tmp_path / "lamina.db")
    with Database.open(path) as db, db.write() as tx:
        put_chain(tx, "a")
        imagedb.put_image(tx, an_image("i"), [])
    with Database.open(path) as db:
        assert imagedb.images(db.read()) == [an_image("i")]
        assert db.read().execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.read().execute("PRAGMA synchronous").fetchone() == (2,)
        assert db.read().execute("PRAGMA foreign_keys").fetchone() == (1,)
        with db.write(durable=False):
            pass
        assert db.read().execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_file_that_is_not_there_is_not_made_to_be_read(tmp_path: Path) -> None:
    path = tmp_path / "none" / "lamina.db"
    with Database.open(str(path), create=False) as db:
        assert imagedb.images(db.read()) == []
    assert not path.parent.exists()


def test_all_or_nothing(db: Database) -> None:
    with pytest.raises(KeyError), db.write() as tx:
        imagedb.put_image(tx, an_image("i"), [])
        raise KeyError
    with pytest.raises(Conflict, match="changed meanwhile"), db.write() as tx:
        imagedb.put_image(tx, an_image("i"), [])
        imagedb.put_image(tx, an_image("j"), [put_chain(tx, "a")[0].chain_id, an_image("no").image_id])  # type: ignore[list-item]
    assert imagedb.images(db.read()) == []
    with db.write() as tx:
        imagedb.put_image(tx, an_image("i"), [])
    assert len(imagedb.images(db.read())) == 1


def test_a_snapshot_sees_one_moment(tmp_path: Path) -> None:
    path = str(tmp_path / "lamina.db")
    with Database.open(path) as one, Database.open(path) as two:
        with one.snapshot() as c:
            assert imagedb.images(c) == []
            with two.write() as tx:
                imagedb.put_image(tx, an_image("i"), [])
            assert imagedb.images(c) == []
        assert len(imagedb.images(one.read())) == 1


def test_each_thread_has_its_connection(db: Database) -> None:
    def work(number: int) -> None:
        for step in range(20):
            with db.write(durable=False) as tx:
                leases.hold(tx, f"{number}", leases.BLOB, f"{step}")
        db.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(leases.held(db.read())) == 80


def test_a_forked_child_has_its_own_connection(db: Database) -> None:
    before = db.read()

    def action() -> None:
        assert db.read() is not before
        with db.write() as tx:
            imagedb.put_image(tx, an_image("i"), [])
        db.close()

    assert forked(action) == 0
    assert len(imagedb.images(db.read())) == 1
    assert db.read() is before


WRITER = """
import sys
from lamina.db import leases
from lamina.db.connect import Database
db = Database.open(sys.argv[1])
print("ready", flush=True)
number = 0
while sys.argv[3] == "forever" or number < int(sys.argv[3]):
    with db.write() as tx:
        leases.hold(tx, sys.argv[2], leases.BLOB, f"{number} a")
        leases.hold(tx, sys.argv[2], leases.BLOB, f"{number} b")
    number += 1
"""


def test_processes_write_at_the_same_time(tmp_path: Path) -> None:
    path = str(tmp_path / "lamina.db")  # all of them make it, too
    writers = [spawn(WRITER, path, str(number), "50") for number in range(3)]
    assert [end(writer) for writer in writers] == [0, 0, 0]
    with Database.open(path) as db:
        assert len(leases.held(db.read())) == 300


def test_a_killed_writer_leaves_whole_transactions(tmp_path: Path) -> None:
    path = str(tmp_path / "lamina.db")
    for number in range(5):
        writer = spawn(WRITER, path, str(number), "forever")
        line_of(writer)
        kill(writer)
        with Database.open(path) as db:
            names = {hold.name for hold in leases.held(db.read()) if hold.lease == str(number)}
            assert {name[:-1] + "b" for name in names} == {
                name[:-1] + "b" for name in names if name[-1] == "a"
            }
            assert len(names) % 2 == 0
            assert db.read().execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_newer_schema(tmp_path: Path) -> None:
    path = str(tmp_path / "lamina.db")
    with Database.open(path) as db:
        db.read().execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    with pytest.raises(Corrupt, match="newer Lamina") as caught:
        Database.open(path)
    assert caught.value.hint is not None and path in caught.value.message


def test_another_programs_database(tmp_path: Path) -> None:
    path = str(tmp_path / "lamina.db")
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(Corrupt, match="another program"):
        Database.open(path)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "lamina.db"
    path.write_bytes(b"rubbish" * 1000)
    with pytest.raises(Corrupt) as caught:
        Database.open(str(path))
    assert str(path) in caught.value.message and caught.value.hint is not None
    assert path.read_bytes() == b"rubbish" * 1000


def test_a_damaged_database(tmp_path: Path) -> None:
    path = tmp_path / "lamina.db"
    with Database.open(str(path)) as db:
        with db.write() as tx:
            put_chain(tx, *[str(number) for number in range(300)])
        db.read().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    data[4096 * 3 :] = b"\xa5" * (len(data) - 4096 * 3)
    path.write_bytes(data)
    with pytest.raises(Corrupt) as caught, Database.open(str(path)) as db, db.write() as tx:
        put_chain(tx, "one more")
    assert "cannot be read" in caught.value.message and "\n" not in caught.value.message


def test_a_full_disk(small_disk: str) -> None:
    path = small_disk + "/lamina.db"
    with Database.open(path) as db:
        with db.write() as tx:
            imagedb.put_image(tx, an_image("kept"), [])
        with pytest.raises(NoSpace) as caught, db.write() as tx:
            for number in range(20000):
                leases.hold(tx, "lease", leases.BLOB, f"{number}" * 20)
        assert caught.value.hint is not None
        assert leases.held(db.read()) == []
        assert imagedb.images(db.read()) == [an_image("kept")]
    with Database.open(path) as db:
        assert db.read().execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_file_that_may_not_be_written(tmp_path: Path) -> None:
    def action() -> None:
        folder = tmp_path / "shut"
        folder.mkdir()
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
        with pytest.raises(Denied) as caught:
            Database.open(str(folder / "lamina.db"))
        assert str(folder) in caught.value.message

    open_up(tmp_path)
    as_nobody(action)


@pytest.mark.parametrize("schema", [1, SCHEMA_VERSION - 1])
@pytest.mark.parametrize("with_log", [False, True])
def test_one_of_an_older_lamina_that_may_not_be_written(tmp_path: Path, schema: int, with_log: bool) -> None:
    """Questions are answered from a copy, in every thread; what writes says who has to."""

    def action() -> None:
        folder = tmp_path / "shut"
        folder.mkdir()
        path = folder / "lamina.db"
        older = sqlite3.connect(path, isolation_level=None, factory=Connection)
        migrate(older, str(path), schema)
        older.execute("INSERT INTO tags (name, image_id) VALUES ('a', 'none')")
        if not with_log:
            older.close()
        path.chmod(0o444)
        folder.chmod(0o555)
        before = path.read_bytes()
        db = Database.open(str(path), create=False)
        for _ in range(2):
            assert _in_a_thread(lambda: imagedb.all_tags(db.read())) == [("a", "none")]
        with pytest.raises(Denied) as caught:
            db.write()
        assert caught.value.hint is not None and "as its owner" in caught.value.hint
        with pytest.raises(Denied) as caught:
            Database.open(str(path))
        assert caught.value.hint is not None and "as its owner" in caught.value.hint
        assert path.read_bytes() == before
        db.close()
        older.close()

    open_up(tmp_path)
    as_nobody(action)


def _in_a_thread(action: Callable[[], object]) -> object:
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(action()))
    thread.start()
    thread.join()
    return found[0]
