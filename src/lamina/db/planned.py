"""PlannedDatabase: a store's rows with others beside them that only this process sees. Nothing is written.

The tables of layers and steps are views of one connection then, which add rows of its own, in memory: every
query finds both. A plan takes the layers that a build would make for made, so that what comes after them is
judged by the very code that a build goes by.

SQLite takes a query of such a view apart into its halves, joins too since 2021 (3.35), and asks each by its
keys. An older one gives the same answers, and reads whole tables for them.
"""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, NoReturn

from lamina.db.connect import SCHEMA_VERSION, Connection, Database, frozen_uri, has_log, translate
from lamina.db.files import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.db.cachedb import Step
    from lamina.db.layerdb import Diff, Layer
    from lamina.db.traces import Trace
    from lamina.tree.entry import Entry

_VERSION_AT = 60  # where the header of a database has its user_version, in 4 bytes
_DIFF = "num, diff_id, content_id, size, tar_size, entries, blob, media_type"
_LAYER = "chain_id, parent, diff_id, content_id, created_by, created, depth"
_STEP = "key, diff_id, ingredients, created_by, created, seconds, recipe, parent, rule, ran, origin"
_TRACE = "num, recipe, diff_id, parent, step, paths, read_set, doubt, failed"
_NEWEST = 1 << 60  # numbers of our own traces: later ones are greater
# Of each table the key that queries ask for, and which of the store's rows ours take the place of.
_TABLES = {
    "diffs": ("diff_id", ""),
    "files": ("diff, parent, name", ""),
    "layers": ("chain_id", ""),
    "steps": ("key", "WHERE key NOT IN (SELECT key FROM temp.new_steps)"),
    "traces": ("recipe", "WHERE step NOT IN (SELECT key FROM temp.new_steps)"),
}


class PlannedDatabase(Database):
    """For one thread. `open` it with create=False: a store that is not there is an empty one, and stays so.

    A database that an older Lamina made is brought up to date in a copy in memory.
    """

    __slots__ = ("_ready",)

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._ready: Connection | None = None
        if path != ":memory:" and _version(path) != SCHEMA_VERSION:
            self.path = ":memory:"
            self._copy(path)

    def _copy(self, path: str) -> None:
        from lamina.db.migrate import migrate  # few stores are older

        copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False, factory=Connection)
        copy.pid = os.getpid()
        try:
            _back_up(path, copy)
        except sqlite3.Error as error:
            raise translate(error, path) from error
        migrate(copy, path)
        self._local.connection = copy

    def _connection(self) -> Connection:
        connection = super()._connection()
        if self._ready is not connection:
            _add_views(connection)
            self._ready = connection
        return connection

    def write(self, *, durable: bool = True) -> NoReturn:
        """A plan changes nothing: what comes here is a defect of its own."""
        raise AssertionError("a plan writes nothing")

    def add_diff(self, diff: Diff, entries: Iterable[Entry]) -> None:
        """Afterwards there seems to be this layer."""
        c = self.read()
        (least,) = c.execute("SELECT coalesce(min(num), 0) FROM temp.new_diffs").fetchone()
        number = least - 1  # those of the store are positive
        c.execute(f"INSERT INTO temp.new_diffs ({_DIFF}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (number, *diff))
        marks = ", ".join("?" * 14)
        c.executemany(f"INSERT INTO temp.new_files VALUES ({marks})", rows_of(number, entries))

    def add_layer(self, layer: Layer) -> None:
        """Afterwards the layer seems to lie on its parent."""
        self.read().execute(f"INSERT INTO temp.new_layers ({_LAYER}) VALUES (?, ?, ?, ?, ?, ?, ?)", layer)

    def add_step(self, step: Step) -> None:
        """Afterwards the step seems to have been done, in the place of what the store says of its key."""
        c = self.read()
        c.execute("DELETE FROM temp.new_steps WHERE key = ?", (step.key,))
        row = (*step[:2], json.dumps(step.ingredients), *step[3:])
        c.execute(f"INSERT INTO temp.new_steps ({_STEP}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def add_trace(self, trace: Trace) -> None:
        """Afterwards it seems to be known what the step read; what it was last found to differ in is not."""
        c = self.read()
        (count,) = c.execute("SELECT count(*) FROM temp.new_traces").fetchone()
        row = (_NEWEST + count, *trace[:7], None)
        c.execute(f"INSERT INTO temp.new_traces ({_TRACE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def _add_views(connection: Connection) -> None:
    connection.execute("PRAGMA temp_store=MEMORY")
    for table, (key, others) in _TABLES.items():
        connection.execute(f"CREATE TEMP TABLE new_{table} AS SELECT * FROM main.{table} WHERE 0")
        connection.execute(f"CREATE INDEX temp.new_{table}_key ON new_{table} ({key})")
        # SQLite looks for a name among what is temporary first, and asks both halves by their keys
        connection.execute(
            f"CREATE TEMP VIEW {table} AS SELECT * FROM main.{table} {others} "
            f"UNION ALL SELECT * FROM temp.new_{table}"
        )


def _back_up(path: str, copy: sqlite3.Connection) -> None:
    """Copies a database; one whose folder cannot be written has no log, or cannot be read."""
    try:
        old = sqlite3.connect(path)
        with closing(old):
            old.backup(copy)
    except sqlite3.OperationalError:
        if has_log(path):
            raise
        with closing(sqlite3.connect(frozen_uri(path), uri=True)) as old:
            old.backup(copy)


def _version(path: str) -> int:
    """The schema of a database as its file says it; that of this Lamina where it cannot be told."""
    try:
        with open(path, "rb") as file:
            head = file.read(_VERSION_AT + 4)
    except OSError:
        return SCHEMA_VERSION  # to open it will say what is wrong
    return int.from_bytes(head[_VERSION_AT:], "big") if len(head) == _VERSION_AT + 4 else SCHEMA_VERSION
