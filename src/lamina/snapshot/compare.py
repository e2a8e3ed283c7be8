"""What changed in a folder since its stats were written down: the stats file, and the comparison."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from lamina.fs.failures import failure
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    Stats = dict[bytes, bytes]  # path -> what the disk said about it


def write_stats(file: str, scan: Iterable[tuple[Entry, os.stat_result]]) -> None:
    """Writes down all paths of a scan. Each record is `SIGNATURE PATH`, and a zero byte ends it."""
    try:
        with open(file, "xb") as out:
            out.writelines(b"%b %b\0" % (_signature(entry, info), entry.path) for entry, info in scan)
    except OSError as error:
        raise failure(error, file) from error


def read_stats(file: str) -> Stats:
    """What write_stats wrote."""
    try:
        with open(file, "rb") as source:
            records = source.read().split(b"\0")[:-1]
    except OSError as error:
        raise failure(error, file) from error
    stats = {}
    for record in records:
        signature, _, path = record.partition(b" ")
        stats[path] = signature
    return stats


def changed(before: Stats, scan: Iterable[tuple[Entry, os.stat_result]]) -> list[Entry]:
    """The entries that make `scan` out of what it was `before`: a layer, sorted by path, the root first.

    A path that is gone is a WHITEOUT, unless it went with a folder around it. Folders on the way to a
    change are there. Of hard links to one file the first that changed is the FILE.
    """
    now: dict[bytes, Entry] = {}
    wanted = {b""}
    for entry, info in scan:
        now[entry.path] = entry
        if before.get(entry.path) != _signature(entry, info):
            wanted.add(entry.path)
    deleted = {path for path in before if path not in now and _was_folder(now, path)}
    for path in list(wanted | deleted):
        _add_folders(wanted, path)
    entries = [now[path] for path in wanted] + [Entry(path, Kind.WHITEOUT) for path in deleted]
    entries.sort(key=lambda entry: entry.path)
    return list(_linked(entries))


def _was_folder(now: dict[bytes, Entry], path: bytes) -> bool:
    """Whether what is at the folder of a deleted path still is a folder, so that the deletion counts."""
    parent = now.get(path.rpartition(b"/")[0])
    return parent is not None and parent.kind is Kind.DIR


def _add_folders(wanted: set[bytes], path: bytes) -> None:
    while path := path.rpartition(b"/")[0]:
        if path in wanted:
            return
        wanted.add(path)


def _linked(entries: Iterable[Entry]) -> Iterable[Entry]:
    """`entries` with hard links that name a file among them."""
    firsts: dict[bytes, bytes] = {}
    for entry in entries:
        if entry.kind is Kind.HARDLINK:
            first = firsts.setdefault(entry.link, entry.path)
            if first == entry.path:
                entry = entry._replace(kind=Kind.FILE, link=b"")
            else:
                entry = entry._replace(link=first)
        elif entry.kind is Kind.FILE:
            firsts[entry.path] = entry.path
        yield entry


def _signature(entry: Entry, info: os.stat_result) -> bytes:
    """What tells whether a path is as it was.

    ctime catches writes that put mtime back. Of a folder it does not count, nor does the inode: what is in
    it is compared by itself.
    """
    xattrs = hashlib.sha256(repr(entry.xattrs).encode()).hexdigest()[:32] if entry.xattrs else "-"
    common = f"{entry.kind}:{entry.mode}:{entry.uid}:{entry.gid}:{entry.mtime}:{xattrs}"
    if entry.kind is not Kind.DIR:
        common += f":{info.st_ino}:{info.st_size}:{info.st_ctime_ns}"
    return common.encode()
