"""Clashes: paths at which moved layers and the stack they come to stand on do not go together.

One pass over the rows of both stacks and of the moved layers, side by side; no file is read.
"""

from __future__ import annotations

from heapq import merge
from itertools import groupby
from typing import TYPE_CHECKING

from lamina.db.files import absolute
from lamina.db.versions import versions
from lamina.surgery.findings import Finding, Weight
from lamina.tree.commuting import place
from lamina.tree.entry import WORDS, Entry, Kind
from lamina.tree.tree import parent_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from lamina.oci.digest import DiffID
    from lamina.surgery.transplant import Transplant

_OLD, _NEW, _MOVED = range(3)
_OF_NO_USE = (b"var/log/", b"var/cache/", b"var/lib/dpkg/status-old", b"tmp/", b"root/.cache/")
# Databases of package managers: who wrote one in a layer has written down all packages of his base, too.
_DATABASES = (
    b"var/lib/dpkg/status",
    b"lib/apk/db/installed",
    b"usr/lib/apk/db/installed",
    b"var/lib/rpm/rpmdb.sqlite",
    b"var/lib/rpm/Packages",
    b"usr/lib/sysimage/rpm/rpmdb.sqlite",
)


def clashes(c: sqlite3.Connection, it: Transplant) -> Iterator[Finding]:
    """What the moved layers hide, delete or contradict of the new stack that was otherwise in the old one."""
    gone: dict[bytes, int] = {}  # folders that the moved layers delete or empty -> what they hide that is new
    for path, found in _side_by_side(c, (it.old, it.new, it.moved)):
        old, new, moved = found
        if moved is not None:
            if new is not None and new.kind is Kind.DIR and _empties(old, moved):
                gone[path] = 0
            yield from _clash(path, old, new, moved)
        elif new is not None and gone and not _same(old, new):
            folder = _below(path, gone)
            if folder is not None:
                gone[folder] += 1
    for path, count in gone.items():
        if count:
            text = f"is emptied or deleted, and so {_paths(count)} that came or changed in it below"
            yield Finding(Weight.RISK, "deleted", absolute(path), text)


def _side_by_side(
    c: sqlite3.Connection, stacks: Sequence[Sequence[DiffID]]
) -> Iterator[tuple[bytes, list[Entry | None]]]:
    """For every path what is there at the end of each stack; of the moved layers whiteouts, too."""
    for (_, path), group in groupby(
        merge(*[_entries(c, number, diff_ids) for number, diff_ids in enumerate(stacks)]),
        key=lambda each: (each[0], each[2].path),
    ):
        found: list[Entry | None] = [None] * len(stacks)
        for _, number, entry in group:
            found[number] = entry
        yield path, found


def _entries(
    c: sqlite3.Connection, number: int, diff_ids: Sequence[DiffID]
) -> Iterator[tuple[tuple[bytes, bytes], int, Entry]]:
    """What each path is after these layers; of one that is gone the whiteout, where one has to stay."""
    for found in versions(c, diff_ids):
        entries = [version.entry for version in found.versions if version.entry is not None]
        whiteouts = [entry for entry in entries if entry.kind is Kind.WHITEOUT]
        entry = found.versions[-1].entry
        if number == _MOVED:
            emptied = bool(whiteouts) or any(each.opaque for each in entries)
            entry = entry._replace(opaque=emptied) if entry else whiteouts[-1] if whiteouts else None
        if entry is not None and (number == _MOVED or entry.kind is not Kind.WHITEOUT):
            yield place(found.path), number, entry


def _clash(path: bytes, old: Entry | None, new: Entry | None, moved: Entry) -> Iterator[Finding]:
    """What is wrong at one path that the moved layers have an entry for."""
    if new is None or _same(old, new):
        return
    shown = absolute(path)
    if moved.kind is Kind.WHITEOUT:
        what = "has changed" if old is not None else "is new"
        yield Finding(Weight.NOTE, "deleted", shown, f"is deleted; it {what} below")
    elif moved.kind is Kind.DIR and new.kind is Kind.DIR:
        if old is not None and _owning(old) == _owning(moved):
            text = f"gets back the {_differing(old, new)} that it had"
            yield Finding(Weight.RISK, "folder", shown, text)
    elif (moved.kind is Kind.DIR) != (new.kind is Kind.DIR):
        yield from _turned(shown, old, new, moved)
    elif not _same(moved, new):
        yield _hidden(path, old)


def _empties(old: Entry | None, moved: Entry) -> bool:
    """Whether the moved layers meant to take away what was in a folder."""
    was_dir = old is not None and old.kind is Kind.DIR
    return moved.opaque or moved.kind is Kind.WHITEOUT or (was_dir and moved.kind is not Kind.DIR)


def _turned(shown: str, old: Entry | None, new: Entry, moved: Entry) -> Iterator[Finding]:
    """A folder here, and none there."""
    if old is not None and (old.kind is Kind.DIR) == (new.kind is Kind.DIR):
        return  # so it was in the old base, too
    leads = f" to {absolute(new.link)[1:]}" if new.kind is Kind.SYMLINK else ""
    text = f"is a {WORDS[moved.kind]} here and a {WORDS[new.kind]}{leads} below, which it hides"
    if new.kind is Kind.DIR:
        text += " with all that is in it"
    yield Finding(Weight.BREAKS, "folder", shown, text)


def _hidden(path: bytes, old: Entry | None) -> Finding:
    """An entry of the moved layers where the new base has another one."""
    if path in _DATABASES or parent_of(path) == b"var/lib/dpkg/status.d":
        text = "lists the packages as they were: what has changed below will not be known"
        return Finding(Weight.RISK, "database", absolute(path), text)
    what = "has changed" if old is not None else "is new"
    weight = Weight.NOTE if path.startswith(_OF_NO_USE) else Weight.RISK
    return Finding(weight, "hidden", absolute(path), f"hides what {what} there below")


def _same(a: Entry | None, b: Entry | None) -> bool:
    """Whether two entries for one path are the same but for their times, and for how names are linked."""
    if a is None or b is None:
        return a is b
    return _essence(a) == _essence(b)


def _essence(entry: Entry) -> tuple[object, ...]:
    kind = Kind.FILE if entry.kind is Kind.HARDLINK else entry.kind
    link = entry.link if kind is Kind.SYMLINK else b""
    return kind, *_owning(entry), entry.size, link, entry.rdev, entry.digest


def _owning(entry: Entry) -> tuple[object, ...]:
    return entry.mode, entry.uid, entry.gid, entry.xattrs


def _differing(old: Entry, new: Entry) -> str:
    words = []
    if old.mode != new.mode:
        words.append(f"mode {old.mode:04o} (now {new.mode:04o})")
    if (old.uid, old.gid) != (new.uid, new.gid):
        words.append(f"owner {old.uid}:{old.gid} (now {new.uid}:{new.gid})")
    if old.xattrs != new.xattrs:
        words.append("extended attributes")
    return ", ".join(words)


def _below(path: bytes, folders: dict[bytes, int]) -> bytes | None:
    while path:
        path = parent_of(path)
        if path in folders:
            return path
    return None


def _paths(count: int) -> str:
    return "1 path" if count == 1 else f"{count} paths"
