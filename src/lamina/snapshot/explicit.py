"""Opaque folders of a writable layer into explicit deletions: as a list of entries, or on disk."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from lamina.fs.failures import failure
from lamina.fs.folders import Folders
from lamina.fs.whiteouts import Whiteouts
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.snapshot.protocol import Hidden

# A folder inside an opaque one is not marked itself, as nothing below can show in it. Once the outer one is
# not opaque any more it would: so it counts as opaque too, where the parents have a folder at its path.


def explicit_entries(entries: Iterable[Entry], hidden: Hidden) -> list[Entry]:
    """`entries` (sorted by path) with deletions in place of opaque folders; sorted by path."""
    result = []
    below: dict[bytes, set[bytes]] = {}  # folder -> what the parents have in it and the entries do not
    for entry in entries:
        parent, _, name = entry.path.rpartition(b"/")
        covers = bool(entry.path) and name in below.get(parent, ())
        if covers:
            below[parent].discard(name)
        if entry.kind is Kind.DIR and (entry.opaque or covers):
            below[entry.path] = set(hidden(entry.path))
            entry = entry._replace(opaque=False)
        result.append(entry)
    for folder, names in below.items():
        result += [Entry(folder + b"/" + name if folder else name, Kind.WHITEOUT) for name in names]
    result.sort(key=lambda entry: entry.path)
    return result


def make_explicit(root: str, hidden: Hidden) -> None:
    """Turns overlay's upper folder `root` into a diff folder: deletions written out, overlay's marks gone."""
    whiteouts = Whiteouts()
    todo = [(b"", False)]
    with Folders(root) as folders:
        while todo:
            path, covers = todo.pop()
            try:
                todo += _make_folder_explicit(path, folders.fd(path), covers, whiteouts, hidden)
            except OSError as error:
                raise failure(error, path) from error


def _make_folder_explicit(
    path: bytes, fd: int, covers: bool, whiteouts: Whiteouts, hidden: Hidden
) -> list[tuple[bytes, bool]]:
    """Does one folder; returns the folders in it, each with whether it covers one of the parents'."""
    before = os.fstat(fd)
    opaque = whiteouts.unmark(fd) or covers
    names, folders, deleted = _list(fd)
    below = set(hidden(path)) if opaque else set()
    for name in below - names:
        deleted |= whiteouts.delete(fd, name)
    if deleted:
        whiteouts.mark(fd)
        os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))
    return [(path + b"/" + name if path else name, name in below) for name in folders]


def _list(fd: int) -> tuple[set[bytes], list[bytes], bool]:
    """All names in a folder, those of folders, and whether there are deletions."""
    names: set[bytes] = set()
    folders = []
    deleted = False
    with os.scandir(fd) as items:
        for item in items:
            name = os.fsencode(item.name)
            names.add(name)
            if item.is_dir(follow_symlinks=False):
                folders.append(name)
            elif not (item.is_file(follow_symlinks=False) or item.is_symlink()):
                info = item.stat(follow_symlinks=False)
                deleted |= stat.S_ISCHR(info.st_mode) and info.st_rdev == 0
    return names, folders, deleted
