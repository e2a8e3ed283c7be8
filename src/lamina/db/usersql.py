"""ask: one SELECT of a user's on the views of db.views, which can change nothing and see nothing else.

SQLite's authorizer is asked about everything that a statement would do before it does any of it: reading a
view is allowed, and what a view itself reads; calling a function is; all else (ATTACH, PRAGMA, other tables,
any change) is refused. SQLite takes a WITH for a view of its name, so the views that read the tables have
names that nobody can know beforehand.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from typing import TYPE_CHECKING, NamedTuple

from lamina.db.connect import Database, translate
from lamina.db.holders import ready
from lamina.db.views import VIEWS
from lamina.errors import InvalidInput, LaminaError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Value = str | int | float | bytes | None

_STEPS = 20_000  # of SQLite's machine between two looks at the clock and at Ctrl-C: about a millisecond
_LONGEST = 64 << 20  # bytes of one value: randomblob() and group_concat() make no more
_FUNCTIONS = frozenset({"json_each", "json_tree"})  # those that are tables
_TABLES = frozenset(re.findall(r"main\.(\w+)", " ".join(VIEWS.values())))
_NO_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer"})
_HINT = "it may only read the views that docs/database.md describes; `lamina sql --schema` lists them"
_DAMAGE = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_BUSY,
    }
)


class Stopped(LaminaError):
    """A query that was ended before its end."""


class Answer(NamedTuple):
    """What a query gives; the rows come as they are read, once. Odd bytes of texts are lone surrogates."""

    columns: tuple[str, ...]  # each another name: of two equal ones the second gets `_2`
    rows: Iterator[tuple[Value, ...]]


def ask(path: str, sql: str, values: Sequence[Value] = (), *, seconds: float = 0) -> Answer:
    """Asks the database at `path`, which need not exist. `values` take the places of `?`.

    InvalidInput for what is no query, or not allowed, or takes more than `seconds` (0: as long as it takes).
    """
    db = Database.open(path, create=False)
    try:
        c = db.read()
        _prepare(c)
        deadline = time.monotonic() + seconds if seconds else 0.0
        c.set_progress_handler(lambda: 0 < deadline < time.monotonic(), _STEPS)
        cursor = _run(c, sql, values, path, deadline)
    except BaseException:
        db.close()
        raise
    names = [each[0] for each in cursor.description or ()]
    return Answer(_distinct(names), _rows(db, cursor, path, deadline))


def columns(path: str) -> dict[str, tuple[str, ...]]:
    """The columns of each view, by its name."""
    found = {}
    for view in VIEWS:
        answer = ask(path, f"SELECT * FROM {view} LIMIT 0")
        found[view] = answer.columns
        list(answer.rows)  # closes
    return found


def _prepare(c: sqlite3.Connection) -> None:
    ready(c)
    inner = "_" + os.urandom(8).hex()
    for name, select in VIEWS.items():
        c.execute(f"CREATE TEMP VIEW {name}{inner} AS {select}")
        c.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM temp.{name}{inner}")
    for name in _FUNCTIONS:
        c.execute(f"SELECT 1 FROM {name}('[]')")  # it is made now, which the authorizer would not allow
    c.execute("PRAGMA query_only = ON")
    c.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    c.text_factory = lambda data: data.decode("utf-8", "surrogateescape")

    def judge(action: int, first: str | None, second: str | None, place: str | None, view: str | None) -> int:
        """May this be done? `view` is the view that wants it, None for the query itself."""
        allowed = action in {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE}
        if action == sqlite3.SQLITE_READ:
            by_view = view is not None and (view.endswith(inner) or str(first).endswith(inner))
            counted = not second and first in _TABLES  # how many rows there are, and nothing of them
            own = place == "temp" and first in VIEWS
            allowed = by_view or counted or own or place is None or first in _FUNCTIONS
        elif action == sqlite3.SQLITE_FUNCTION:
            allowed = second not in _NO_FUNCTIONS
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    c.set_authorizer(judge)


def _run(
    c: sqlite3.Connection, sql: str, values: Sequence[Value], path: str, deadline: float
) -> sqlite3.Cursor:
    try:
        # past Connection.execute, which takes every error for one of the file's
        cursor = sqlite3.Connection.execute(c, sql, tuple(values))
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:  # ValueError: a NUL, or half a character
        raise _refused(error, path, deadline) from None
    if cursor.description is None:
        raise InvalidInput("this is no query", hint="write a SELECT")
    return cursor


def _rows(db: Database, cursor: sqlite3.Cursor, path: str, deadline: float) -> Iterator[tuple[Value, ...]]:
    try:
        yield from cursor
    except sqlite3.Error as error:
        raise _refused(error, path, deadline) from None
    finally:
        db.close()


_FORBIDDEN = ("prohibited", "not authorized", "cannot modify")


def _refused(error: Exception, path: str, deadline: float) -> BaseException:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_INTERRUPT:
        if not 0 < deadline <= time.monotonic():
            return KeyboardInterrupt()  # SQLite noticed it while it called our handler, and took it for a yes
        return Stopped("the query was stopped", hint="give it more time with --timeout, or ask for less")
    if code in _DAMAGE and isinstance(error, sqlite3.Error):
        return translate(error, path)
    text = str(error)
    if code == sqlite3.SQLITE_AUTH or any(word in text for word in _FORBIDDEN):
        why = text if "prohibited" in text else "it can only read"
        return InvalidInput(f"the query is not allowed: {why}", hint=_HINT)
    if text.startswith("no such"):
        return InvalidInput(text, hint=_HINT)
    return InvalidInput(f"invalid query: {text}")


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    found: list[str] = []
    for name in names:
        number, distinct = 1, name
        while distinct in found:
            number += 1
            distinct = f"{name}_{number}"
        found.append(distinct)
    return tuple(found)
