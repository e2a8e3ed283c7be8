"""What a refused command must look like, and what it must leave: nothing."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.lamina_command import Lamina

# What is known of files in build contexts and of URLs may grow; what leases hold counts only while their
# process lives; each build leaves its record, and a failed step what it had changed.
_NOT_COMPARED = {"contexts", "stats", "urls", "sqlite_sequence", "leases", "builds", "build_steps"}
_KEPT = "mnt/failed-"


def refused(
    lamina: Lamina, *args: str | Path, says: str, status: int = 1, hint: bool = True, stdin: bytes = b""
) -> str:
    """Runs a command that must fail with one line that `says` (a pattern); returns all of stderr.

    The store must be as it was before.
    """
    with unchanged(lamina.root):
        _, err = lamina.both(*args, status=status, stdin=stdin)
    check_error(err, says, hint=hint)
    return err


def check_error(err: str, says: str, *, hint: bool = True) -> None:
    """One error line, with a hint where one is due, and no sign of a fault of ours."""
    for bad in ("Traceback", "bug in Lamina", "Errno"):
        assert bad not in err, err
    lines = [line for line in err.splitlines() if line.startswith(("lamina: ", "Error"))]
    assert len(lines) == 1, err
    assert re.search(says, lines[0]), f"{says!r} is not in\n{err}"
    if hint:
        assert re.search(r"^hint: \S", err, re.MULTILINE), f"no hint:\n{err}"


@contextmanager
def unchanged(root: Path) -> Iterator[None]:
    """The store must be the same after as before, in every file and row."""
    before = everything(root)
    yield
    after = everything(root)
    assert after == before, f"new: {after - before}\ngone: {before - after}"


def everything(root: Path) -> set[tuple[object, ...]]:
    """All that is in a store, on disk and in rows."""
    return {*on_disk(root), *rows(root)}


def on_disk(root: Path) -> set[tuple[str, int, int]]:
    """Path, mode and size of everything in the store but the database's own files."""
    found = set()
    pending = [str(root)]  # not os.walk: a layer may be a thousand folders deep
    while pending:
        with os.scandir(pending.pop()) as items:
            for item in items:
                is_folder = item.is_dir(follow_symlinks=False)
                if is_folder:
                    pending.append(item.path)
                place = item.path[len(str(root)) + 1 :]
                if item.name.startswith("lamina.db") or place.startswith(("builds", _KEPT)):
                    continue
                about = item.stat(follow_symlinks=False)
                found.add((place, about.st_mode, 0 if is_folder else about.st_size))
    return found


def rows(root: Path) -> set[tuple[object, ...]]:
    """Every row of the database, with its table's name."""
    if not (root / "lamina.db").exists():
        return set()
    with sqlite3.connect(f"file:{root}/lamina.db?mode=ro", uri=True) as c:
        tables = [name for (name,) in c.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {
            (table, *map(repr, row))
            for table in tables
            if table not in _NOT_COMPARED
            for row in c.execute(f"SELECT * FROM {table}")
            if not (table == "writable" and row[0].startswith("failed-"))
        }
    c.close()
    return found
