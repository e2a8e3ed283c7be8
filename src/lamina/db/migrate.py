"""Brings a database up to date: all migrations that it lacks, or none."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lamina.db.migrations import MIGRATIONS
from lamina.errors import Conflict, Corrupt

if TYPE_CHECKING:
    import sqlite3

APPLICATION_ID = 0x4C616D69  # "Lami": marks the file as ours

_PAUSES = (0.001, 0.01) + (0.1,) * 100  # seconds between tries


def migrate(connection: sqlite3.Connection, path: str, target: int = len(MIGRATIONS)) -> None:
    """Applies the migrations that are missing, all of them or none; another process may do it at once.

    Corrupt when the file is another program's, or has more migrations than this Lamina knows.
    """
    _use_wal(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise Corrupt(
                f"{path} was made by a newer Lamina: schema {version}, and this one knows {len(MIGRATIONS)}",
                hint="upgrade Lamina, or set LAMINA_ROOT to another folder",
            )
        if version == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise Corrupt(f"{path} is another program's database", hint="set LAMINA_ROOT to another folder")
        for migration in MIGRATIONS[version:target]:
            for statement in migration.statements:
                connection.execute(statement)
        if version < target:
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={target}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.rollback()


def _use_wal(connection: sqlite3.Connection) -> None:
    """Changes the journal to WAL. Conflict when another process keeps the new database for long."""
    for pause in _PAUSES:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except Conflict:  # SQLite does not wait here, whatever the busy timeout
            time.sleep(pause)
    connection.execute("PRAGMA journal_mode=WAL")
