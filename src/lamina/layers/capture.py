"""capture: what a process changed in its writable layer, as a committed layer."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from lamina.fs.failures import failure
from lamina.fs.folders import Folders
from lamina.fs.walk import open_file, scan, sha256
from lamina.layers.canonical import Canonical, plain
from lamina.layers.changed import Parent, changed
from lamina.layers.commit import TempFolder, commit_diff, commit_empty
from lamina.layers.difffiles import content
from lamina.mount.userns import current_ids
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.db.layerdb import Diff
    from lamina.layers.commit import Also
    from lamina.layers.context import Layers
    from lamina.layers.lookup import Lookup
    from lamina.snapshot.protocol import Snapshotter


def capture(
    ctx: Layers,
    snapshotter: Snapshotter,
    key: str,
    parent: Lookup,
    *,
    stubs: Iterable[bytes] = (),
    keep: bool = False,
    latest: int | None = None,
    also: Also | None = None,
) -> Diff:
    """Commits the active snapshot `key` (gone afterwards, unless `keep`) as a layer over `parent`.

    `stubs` are mount points that the sandbox made; those still empty are left out. What `parent` has just
    so is left out too (see `changed`). No file is later than `latest` (in nanoseconds). NoSpace, Denied.
    """
    with TempFolder(ctx) as temp:
        snapshotter.commit(key, temp, hidden=parent.names, keep=keep)
        found = list(scan(temp))
        with Folders(temp) as folders:
            kept = _changes(folders, found, parent, frozenset(stubs))
            if latest is not None:
                kept = [entry._replace(mtime=min(entry.mtime, latest)) for entry in kept]
            if not kept:
                return commit_empty(ctx, also=also)
            _remove_rest(folders, found, kept)
            canonical = Canonical()
            entries = _with_files([_take(folders, canonical, entry) for entry in _with_files(kept)])
            _restore_times(folders, found, entries)
        return commit_diff(ctx, temp, entries, *canonical.finish(), also=also)


def _changes(
    folders: Folders, found: Sequence[Entry], parent: Lookup, stubs: frozenset[bytes]
) -> list[Entry]:
    def digest(entry: Entry) -> str:
        fd = open_file(folders, entry.path)
        try:
            return sha256(entry, fd)
        finally:
            os.close(fd)

    kept = changed(found, Parent(parent, found), stubs, digest, one_owner=current_ids().single)
    return [plain(entry) for entry in kept]


def _take(folders: Folders, canonical: Canonical, entry: Entry) -> Entry:
    """Adds a change to the tar; a FILE is read, and gets its digest."""
    canonical.add(entry)
    if entry.kind is not Kind.FILE:
        return entry
    digest = hashlib.sha256()
    try:
        for chunk in content(folders, entry):
            digest.update(chunk)
            canonical.data(chunk)
    except OSError as error:
        raise failure(error, entry.path) from error
    return entry._replace(digest=digest.hexdigest())


def _with_files(entries: Sequence[Entry]) -> list[Entry]:
    """Gives hard links what their files have: the metadata as it was decided, and the digest."""
    files = {entry.path: entry for entry in entries if entry.kind is Kind.FILE}
    return [
        files[entry.link]._replace(path=entry.path, kind=Kind.HARDLINK, link=entry.link)
        if entry.kind is Kind.HARDLINK
        else entry
        for entry in entries
    ]


def _remove_rest(folders: Folders, found: Sequence[Entry], kept: Sequence[Entry]) -> None:
    """Removes from the disk what is not part of the layer."""
    paths = {entry.path for entry in kept}
    for entry in reversed(found):  # what is in a folder before the folder
        if entry.path in paths or not entry.path:
            continue
        parent, _, name = entry.path.rpartition(b"/")
        folder = folders.fd(parent)
        try:
            if entry.kind is Kind.DIR:
                os.rmdir(name, dir_fd=folder)
            else:
                os.unlink(name, dir_fd=folder)
        except OSError as error:
            raise failure(error, entry.path) from error


def _restore_times(folders: Folders, found: Sequence[Entry], entries: Sequence[Entry]) -> None:
    """Cuts times on the disk to what the rows say; removing what was no change has touched folders, too."""
    times = {entry.path: entry.mtime for entry in found if entry.kind is not Kind.DIR}
    for entry in entries:
        if entry.kind is Kind.WHITEOUT or times.get(entry.path) == entry.mtime:
            continue
        parent, _, name = entry.path.rpartition(b"/")
        try:
            time = (entry.mtime, entry.mtime)
            if name:
                os.utime(name, ns=time, dir_fd=folders.fd(parent), follow_symlinks=False)
            else:
                os.utime(folders.fd(b""), ns=time)
        except OSError as error:
            raise failure(error, entry.path) from error
