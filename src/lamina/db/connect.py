"""Database: the connections to lamina.db, one for each thread, and its transactions."""

from __future__ import annotations

import os
import sqlite3
from _thread import _local
from typing import TYPE_CHECKING, Any, Self

from lamina.errors import Conflict, Corrupt, Denied, InvalidInput, LaminaError, NoSpace

if TYPE_CHECKING:
    from types import TracebackType

SCHEMA_VERSION = 8  # how many migrations there are
BUSY_SECONDS = 60.0
_OWNER = "run any command where the store can be written, as its owner, or set LAMINA_ROOT"
_SHARED = 64 << 10  # bytes that lamina.db-shm and the beginning of lamina.db-wal may need
_orphans: list[object] = []  # a parent's connections in a forked child: never used, never closed


class Connection(sqlite3.Connection):
    """A connection whose errors are Lamina's. Rows are tuples; no transaction begins by itself."""

    path = "the database"
    pid = 0
    is_copy = False  # what is written here would be lost

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """As sqlite3's, but raises what `translate` makes of its errors."""
        try:
            return super().execute(sql, parameters)
        except sqlite3.IntegrityError:
            raise  # the caller may know what it means; `write` translates it otherwise
        except sqlite3.Error as error:
            raise translate(error, self.path) from error
        except UnicodeEncodeError as error:  # a name from the command line, say
            raise InvalidInput(f"these bytes are not UTF-8: {error.object!r:.300}") from error

    def __del__(self) -> None:
        # a thread's connection goes with the thread; one from before a fork is the parent's to close
        if self.pid == os.getpid():
            self.close()


class Database:
    """One lamina.db. Threads share the object; each gets its own connection."""

    __slots__ = ("_frozen", "_local", "_pid", "_queries_only", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._frozen = False
        self._queries_only = False
        self._local = _local()
        self._pid = os.getpid()

    @classmethod
    def open(cls, path: str, *, create: bool = True) -> Self:
        """Opens the database and brings its tables up to date.

        Without `create`, a file that is not there is not made: the database is an empty one in memory. It is
        for queries only then, and answers them on a disk that is read-only or full as well (a database of an
        older Lamina from a copy, where it cannot be brought up to date). Corrupt when the file is damaged, no
        database of Lamina's, or made by a newer Lamina; Denied, NoSpace.
        """
        found = cls(path if create or os.path.exists(path) else ":memory:")
        found._queries_only = not create
        try:
            found.read()
        except (Denied, NoSpace):
            # SQLite has no place for the files beside it. Without a log to apply, the file alone is right.
            if create or not os.access(path, os.R_OK) or has_log(path):
                raise
            found._frozen = True
            found.read()
        return found

    def read(self) -> sqlite3.Connection:
        """This thread's connection, for queries; each sees what was committed when it began."""
        return self._connection()

    def _connection(self) -> Connection:
        if os.getpid() != self._pid:  # SQLite forbids to carry a connection through fork
            self._forget()
        try:
            return self._local.connection  # type: ignore[no-any-return]
        except AttributeError:
            connection = self._local.connection = _connect(
                self.path, frozen=self._frozen, queries_only=self._queries_only
            )
            return connection

    def write(self, *, durable: bool = True) -> Transaction:
        """`with db.write() as tx:` one transaction: all of it is there afterwards, or nothing.

        Waits up to 60 s for another writer. When it ends the rows are on disk, unless `durable` is
        False: such rows (leases) may be lost by a power cut, never mixed up.
        """
        connection = self._connection()
        if connection.is_copy:
            raise Denied(f"{self.path} cannot be written", hint=_OWNER)
        return Transaction(connection, durable)

    def snapshot(self) -> Snapshot:
        """`with db.snapshot() as c:` several queries that see the database at one moment."""
        return Snapshot(self.read())

    def close(self) -> None:
        """Closes this thread's connection; those of other threads close when the threads end."""
        connection = self._local.__dict__.pop("connection", None)
        if connection is not None and os.getpid() == self._pid:
            connection.close()

    def _forget(self) -> None:
        _orphans.append(self._local)
        self._local = _local()
        self._pid = os.getpid()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Transaction:
    """A write transaction; made by Database.write."""

    __slots__ = ("_connection", "_durable")

    def __init__(self, connection: Connection, durable: bool) -> None:
        self._connection = connection
        self._durable = durable

    def __enter__(self) -> sqlite3.Connection:
        if not self._durable:
            self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.rollback()
            if not self._durable:
                self._connection.execute("PRAGMA synchronous=FULL")
        if isinstance(error, sqlite3.Error):
            raise translate(error, self._connection.path) from error


class Snapshot:
    """A read transaction; made by Database.snapshot."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> sqlite3.Connection:
        self._connection.execute("BEGIN")
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.rollback()


def _connect(path: str, *, frozen: bool = False, queries_only: bool = False) -> Connection:
    connection = _opened(frozen_uri(path) if frozen else path, path, uri=frozen)
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        if version != SCHEMA_VERSION:
            from lamina.db.migrate import migrate  # spares the schema's text once it is made

            try:
                migrate(connection, path)
            except (Denied, NoSpace):
                if not version or not queries_only:
                    raise
                connection = _copied(connection)
                migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _opened(name: str, path: str, *, uri: bool = False) -> Connection:
    """A connection to what SQLite knows as `name`; errors are told with `path`."""
    try:
        connection = sqlite3.connect(
            name,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            factory=Connection,
            uri=uri,
        )
    except sqlite3.Error as error:
        raise translate(error, path) from error
    connection.path = path
    connection.pid = os.getpid()
    return connection


def _copied(connection: Connection) -> Connection:
    """All of a database in a file of SQLite's own, which goes with the connection; closes the other one."""
    copy = _opened("", connection.path)
    copy.is_copy = True
    try:
        connection.backup(copy)
    except sqlite3.Error as error:
        copy.close()
        raise translate(error, connection.path) from error
    connection.close()
    return copy


def touch(path: str) -> None:
    """Takes every lock of SQLite's that reading takes, and changes nothing; says nothing of errors either."""
    try:
        connection = sqlite3.connect(path if os.path.exists(path) else ":memory:", timeout=BUSY_SECONDS)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        finally:
            connection.close()
    except sqlite3.Error:
        pass  # what then opens it says why


def has_log(path: str) -> bool:
    """Whether there may be transactions that are not in the file itself."""
    try:
        return os.stat(path + "-wal").st_size > 0
    except FileNotFoundError:
        return False


def frozen_uri(path: str) -> str:
    """A file that nobody writes while it is read: SQLite then needs no lock and no file beside it."""
    for character in "%?#":
        path = path.replace(character, f"%{ord(character):02x}")
    return f"file:{path}?immutable=1"


def _is_full(path: str) -> bool:
    """Whether the disk has no room for what SQLite shares between processes, which is an I/O error to it."""
    try:
        about = os.statvfs(os.path.dirname(path))
    except OSError:
        return False
    return about.f_bavail * about.f_frsize < _SHARED


def translate(error: sqlite3.Error, what: str) -> LaminaError:
    """The error that a user should see for one of SQLite's; `what` names the file."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(what)):
        return NoSpace(f"no space left while writing {what}", hint="free some space, or try `lamina prune`")
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        return Denied(f"cannot write {what}: {error}", hint=_OWNER)
    if code == sqlite3.SQLITE_BUSY:
        return Conflict(f"{what} is locked by another process", hint="wait until it ends, then try again")
    if code == sqlite3.SQLITE_CONSTRAINT:
        return Conflict(f"the store changed meanwhile: {error}", hint="run the command again")
    if code == sqlite3.SQLITE_IOERR:
        return NoSpace(f"cannot write {what}: {error}", hint="is the disk full, or failing?")
    return Corrupt(
        f"{what} cannot be read: {error}",
        hint="move the file away and Lamina makes a new one; layers/ and diff/ still hold the layers",
    )
