"""Copies: every file that the layers of an image carry, once, with what became of it.

A path that a later layer has again with the same content is a chain of copies: the first of them is the one
that is needed for as long as the path has this content, the others are METADATA. What a file with several
names (hard links) is depends on all of them: it is VISIBLE when one of them is.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from lamina.db.links import hard_links
from lamina.db.versions import versions
from lamina.insight.wasted.caches import Caches
from lamina.insight.wasted.spill import Spill
from lamina.tree.entry import FILES, Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from lamina.db.versions import Version, Versions
    from lamina.oci.digest import DiffID
    from lamina.tree.entry import Entry

VISIBLE, OVERWRITTEN, DELETED, METADATA = "visible", "overwritten", "deleted", "metadata"
COLUMNS = """path BLOB, layer INT, fate TEXT, by INT, size INT, digest TEXT, what TEXT, root BLOB, mode INT,
    uid INT, gid INT"""  # of a Copy, in a Spill
_NAMES = f"{COLUMNS}, file BLOB"


class Copy(NamedTuple):
    """One file of one layer; layers are numbered from 0. A tuple of texts, bytes and numbers only."""

    path: bytes
    layer: int  # the one that carries it
    fate: str
    by: int  # the layer that overwrote or deleted it; that has the original of METADATA; -1 of VISIBLE
    size: int
    digest: str
    what: str  # that METADATA has anew: "mode, owner", "nothing"
    root: bytes  # what was deleted: the path, or the folder above it
    mode: int
    uid: int
    gid: int


class _Deleted:
    """Which folders each layer deleted or emptied, so that a file that went with one can say with which."""

    def __init__(self) -> None:
        self._folders: set[tuple[int, bytes]] = set()

    def note(self, found: Versions) -> None:
        """Remembers where a layer did so to a folder, not to one above it."""
        was_folder = False
        for version in found.versions:
            entry = version.entry
            if was_folder and entry is not None and (entry.kind is not Kind.DIR or entry.opaque):
                self._folders.add((version.layer, found.path))
            was_folder = entry is not None and entry.kind is Kind.DIR

    def root(self, layer: int, path: bytes) -> bytes:
        """The folder that went with this path in this layer; the path itself when it was deleted alone."""
        folder = path
        while folder:
            folder = folder.rpartition(b"/")[0]
            if (layer, folder) in self._folders:
                return folder
        return path


def copies(c: sqlite3.Connection, diff_ids: Sequence[DiffID]) -> Iterator[Copy]:
    """Every copy of more than 0 bytes in this stack, the bottom layer first. Bounded memory.

    NotFound when a layer has no rows, NoSpace.
    """
    shared = {
        hash((number, path)) for number, diff_id in enumerate(diff_ids) for _, path in hard_links(c, diff_id)
    }
    deleted = _Deleted()
    with Spill(_NAMES) as names:
        for found in versions(c, diff_ids):
            deleted.note(found)
            for copy, file in _of_path(found, deleted):
                if not copy.size:
                    continue
                if shared and hash((copy.layer, file)) in shared:
                    names.put((*copy, file))
                else:
                    yield copy
        yield from _of_files(names.sorted("layer, file, path"))


def _of_path(found: Versions, deleted: _Deleted) -> Iterator[tuple[Copy, bytes]]:
    """The copies that layers have at one path, each with the FILE that it is a name of."""
    first: Version | None = None  # the copy that is needed for the content as it is now
    last: Entry | None = None
    for version in found.versions:
        entry = version.entry
        now = version if entry is not None and entry.kind in FILES else None
        if entry is not None and now and first and last and _same_content(last, entry):
            yield _copy(found.path, version, METADATA, first.layer, what=_changed(last, entry))
        else:
            if first is not None:
                yield _gone(found.path, first, version, deleted)
            first = now
        last = entry
    if first is not None:
        yield _copy(found.path, first, VISIBLE, -1)


def _gone(path: bytes, first: Version, version: Version, deleted: _Deleted) -> tuple[Copy, bytes]:
    if version.is_there:
        return _copy(path, first, OVERWRITTEN, version.layer)
    return _copy(path, first, DELETED, version.layer, root=deleted.root(version.layer, path))


def _copy(
    path: bytes, version: Version, fate: str, by: int, *, what: str = "", root: bytes = b""
) -> tuple[Copy, bytes]:
    entry = version.entry
    assert entry is not None
    copy = Copy(
        path,
        version.layer,
        fate,
        by,
        entry.size,
        entry.digest,
        what,
        root,
        entry.mode,
        entry.uid,
        entry.gid,
    )
    return copy, entry.link if entry.kind is Kind.HARDLINK else entry.path


def _same_content(old: Entry, new: Entry) -> bool:
    return old.digest == new.digest and old.size == new.size


def _changed(old: Entry, new: Entry) -> str:
    """What is new about a file that has its content still."""
    words = {
        "mode": old.mode != new.mode,
        "owner": (old.uid, old.gid) != (new.uid, new.gid),
        "xattrs": old.xattrs != new.xattrs,
        "time": old.mtime != new.mtime,
    }
    return ", ".join(word for word, is_new in words.items() if is_new) or "nothing"


def _of_files(rows: Iterable[tuple[Any, ...]]) -> Iterator[Copy]:
    """One copy for all names of a file; rows are Copies with that file, sorted by layer, file and name."""
    caches = Caches()

    def weight(copy: Copy) -> tuple[bool, bool, bool, int]:
        """Which name says what becomes of the file: one to be seen and in no cache, else the last to go."""
        is_visible = copy.fate == VISIBLE
        return is_visible, is_visible and caches.of(copy.path) is None, copy.fate != METADATA, copy.by

    for _, group in groupby(rows, key=lambda row: (row[1], row[-1])):
        yield max((Copy(*row[:-1]) for row in group), key=weight)
