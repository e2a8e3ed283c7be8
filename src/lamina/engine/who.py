"""Who: the question to the whole store, with what containers wrote and packages that were not yet read."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, BinaryIO, cast

from lamina.db import containerdb, packagedb, sieves
from lamina.errors import Denied, InvalidInput, NoSpace, NotFound
from lamina.events import Notice
from lamina.insight.who import query as queries
from lamina.insight.who.who import who

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.engine.base import Inside
    from lamina.engine.opened import Opened
    from lamina.events import Observer
    from lamina.insight.who.answer import Who
    from lamina.insight.who.finding import WritableLayer
    from lamina.insight.who.query import Query
    from lamina.oci.digest import DiffID

_MANY = 200  # layers whose packages are written at once, and from which on a person is told


def ask(inside: Inside, opened: Callable[[], Opened], text: str, kind: str, observer: Observer) -> Who:
    """Answers from the rows alone where these say all; else where this process is root."""
    if kind and kind not in queries.KINDS:
        raise InvalidInput(f"unknown kind: {kind}", hint=f"it is one of {', '.join(queries.KINDS)}")
    query = queries.parse(text, kind)
    c = opened().rows.connection
    is_read = not sieves.lacking(c)
    if is_read and query.kind in (queries.PACKAGE, queries.WORD):
        is_read = not packagedb.lacking(c)
    if is_read and not containerdb.containers(c):
        return who(opened().rows, query)
    try:
        return inside(lambda opened, tell, _: _whole(opened, query, tell), observer)
    except (Denied, NoSpace):  # another user's store, or a disk that is read-only or full
        return _reading_only(opened(), query, observer)


def learn_for(inside: Inside, opened: Callable[[], Opened], sql: str, observer: Observer) -> None:
    """Reads the packages of layers that nobody looked through, where a query names them.

    What cannot be read, or not be noted, is told.
    """
    if "packages" not in sql.lower() or not (unread := packagedb.lacking(opened().rows.connection)):
        return
    try:
        if left := inside(lambda opened, tell, _: _learn(opened, tell), observer):
            observer(Notice(f"the packages of {len(left)} layers are not known: their files are not here"))
    except (Denied, NoSpace):
        observer(Notice(f"the packages of {len(unread)} layers are not known: the store cannot be written"))


def _whole(opened: Opened, query: Query, tell: Observer) -> Who:
    """Reads what was not yet read, notes it, and looks through what containers wrote."""
    if sieves.lacking(opened.rows.connection):  # layers that an older Lamina put there
        with opened.ctx.db.write(durable=False) as tx:
            sieves.fill(tx)
    unread = _learn(opened, tell) if query.kind in (queries.PACKAGE, queries.WORD) else []
    return who(opened.rows, query, list(_writable(opened)), unread=unread)


def _learn(opened: Opened, tell: Observer) -> list[DiffID]:
    """Notes the packages of layers that nobody looked through; the layers whose files are not here."""
    from lamina.insight.who import reading  # parsers of every package manager

    ctx = opened.ctx
    lacking = packagedb.lacking(ctx.db.read())
    unread = []
    if len(lacking) >= _MANY:
        tell(Notice(f"reading the packages of {len(lacking)} layers, once"))
    for start in range(0, len(lacking), _MANY):
        found = []
        for number, diff_id in lacking[start : start + _MANY]:
            c = ctx.db.read()
            parts = reading.read_layer(c, ctx.layout.diff_dir(diff_id), diff_id, _known(c))
            if parts is None:
                unread.append(diff_id)
            else:
                found.append((number, parts))
        if found:
            with ctx.db.write(durable=False) as tx:
                for number, parts in found:
                    reading.put(tx, number, parts)
                packagedb.drop_unused(tx)
    return unread


def _known(c: sqlite3.Connection) -> Callable[[str, bytes], object]:
    return lambda manager, digest: packagedb.find_file(c, manager, digest)


def _reading_only(opened: Opened, query: Query, tell: Observer) -> Who:
    """The same for a store that cannot be written: packages are noted in memory, for this answer alone."""
    rows = opened.rows
    c = rows.connection
    if containerdb.containers(c):
        tell(Notice("what containers wrote was not looked through: the store cannot be written"))
    if query.kind not in (queries.PACKAGE, queries.WORD):
        return who(rows, query)
    from lamina.db.migrations import MIGRATIONS
    from lamina.insight.who import reading

    unread = []
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as memory:
        for statement in (each for migration in MIGRATIONS for each in migration.statements):
            memory.execute(statement)
        for number, diff_id in packagedb.lacking(c):
            parts = reading.read_layer(c, opened.layout.diff_dir(diff_id), diff_id, lambda *_: None)
            if parts is None:
                unread.append(diff_id)
                continue
            memory.execute("INSERT INTO diffs VALUES (?, ?, '', 0, 0, 0, NULL, '')", (number, diff_id))
            reading.put(memory, number, parts)
        return who(rows, query, more=memory, unread=unread)


def _writable(opened: Opened) -> Iterator[WritableLayer]:
    """What each container wrote; those whose files have gone are left out."""
    rows = containerdb.containers(opened.rows.connection)
    if not rows:
        return
    from lamina.containers.changes import written
    from lamina.engine import joined
    from lamina.insight.who.finding import WritableLayer

    ctx = joined.containers_of(opened)
    for row in rows:
        try:
            found = written(ctx, row)
        except NotFound:
            continue
        yield WritableLayer(row, {entry.path: entry for entry in found.entries}, _opener(found.folder))


def _opener(folder: str) -> Callable[[bytes], BinaryIO]:
    def open_it(path: bytes) -> BinaryIO:
        from lamina.fs.folders import Folders
        from lamina.fs.walk import open_file

        with Folders(folder) as folders:
            return cast("BinaryIO", os.fdopen(open_file(folders, path), "rb", buffering=0))

    return open_it
