"""packagedb: which packages the files of package managers list, and in which layers such files are.

A file is known by its kind and content, so one that many layers have is read once. A layer is looked through
when the first question for packages comes after it; `lacking` are those that were not yet.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from lamina.oci.digest import DiffID


class Listed(NamedTuple):
    """One package as such a file lists it."""

    name: str
    version: str
    architecture: str
    source: str = ""  # the name of the package that it was built from; "" where that is its own


class PackagePlace(NamedTuple):
    """A file of one layer that lists a package."""

    diff: int  # number of the layer's row in diffs
    path: bytes
    kind: str  # deb, apk, rpm, pypi or npm
    listed: Listed


def lacking(c: sqlite3.Connection) -> list[tuple[int, DiffID]]:
    """The layers that nobody has looked through: their numbers and diff IDs."""
    return c.execute(
        "SELECT num, diff_id FROM diffs WHERE num NOT IN (SELECT diff FROM package_layers) ORDER BY num"
    ).fetchall()


def find_file(c: sqlite3.Connection, kind: str, digest: bytes) -> int | None:
    """The number of a file that was read, or None."""
    row = c.execute("SELECT num FROM package_files WHERE kind = ? AND digest = ?", (kind, digest)).fetchone()
    return int(row[0]) if row else None


def put_file(c: sqlite3.Connection, kind: str, digest: bytes, listed: Iterable[Listed]) -> int:
    """Afterwards the file and what it lists are known; its number."""
    known = find_file(c, kind, digest)
    if known is not None:
        return known
    number = c.execute("INSERT INTO package_files (kind, digest) VALUES (?, ?)", (kind, digest)).lastrowid
    c.executemany(
        "INSERT OR IGNORE INTO packages VALUES (?, ?, ?, ?, ?, ?)",
        [(key_of(kind, package.name), *package, number) for package in listed],
    )
    assert number is not None
    return number


def put_layer(c: sqlite3.Connection, diff: int, places: Sequence[tuple[bytes, int]]) -> None:
    """The layer was looked through: the paths of its files with their numbers. Nothing if it has gone."""
    c.execute("INSERT OR IGNORE INTO package_layers SELECT num FROM diffs WHERE num = ?", (diff,))
    if c.execute("SELECT 1 FROM package_layers WHERE diff = ?", (diff,)).fetchone():
        c.executemany(
            "INSERT OR IGNORE INTO package_places VALUES (?, ?, ?)",
            [(diff, path, number) for path, number in places],
        )


def drop_unused(c: sqlite3.Connection) -> None:
    """Afterwards there is no file that no layer has."""
    c.execute("DELETE FROM package_files WHERE num NOT IN (SELECT file FROM package_places)")


def key_of(kind: str, name: str) -> str:
    """The name as it is looked for: Python's in the one form that all ways to write it come to (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower() if kind == "pypi" else name


def places_listing(c: sqlite3.Connection, name: str, version: str = "", kind: str = "") -> list[PackagePlace]:
    """Where packages of this name, or built from a source of this name, are listed.

    `version` and `kind` narrow it where given. A name or version with `*`, `?` or `[` is a pattern as GLOB of
    SQLite has it; for a name, all are looked through.
    """
    like = "GLOB" if is_pattern(name) else "="
    tests = [
        f"(p.key {like} ? OR (p.key {like} ? AND f.kind = 'pypi') OR p.source <> '' AND p.source {like} ?)"
    ]
    values = [name, key_of("pypi", name), name]
    if version:
        tests.append(f"p.version {'GLOB' if is_pattern(version) else '='} ?")
        values.append(version)
    if kind:
        tests.append("f.kind = ?")
        values.append(kind)
    rows = c.execute(
        f"""SELECT w.diff, w.path, f.kind, p.name, p.version, p.architecture, p.source FROM packages AS p
        JOIN package_files AS f ON f.num = p.file JOIN package_places AS w ON w.file = p.file
        WHERE {" AND ".join(tests)} ORDER BY w.diff, w.path, p.name, p.version""",
        values,
    )
    return [PackagePlace(row[0], row[1], row[2], Listed(*row[3:])) for row in rows]


def is_pattern(text: str) -> bool:
    """Whether GLOB would take it for more than itself."""
    return any(char in text for char in "*?[")
