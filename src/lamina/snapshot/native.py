"""Native: snapshots by copying; works wherever files can be made.

mnt/KEY/root is a copy of the merged view (blocks shared where the disk can), mnt/KEY/stats what the disk
said about each file in it when the copy was done. What differs from that later has changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.fs import walk
from lamina.fs.create import Builder
from lamina.fs.folders import Folders
from lamina.mount.types import Mount
from lamina.snapshot.backend import Backend
from lamina.snapshot.compare import changed, read_stats, write_stats
from lamina.snapshot.merge import merge
from lamina.snapshot.root import make_root
from lamina.snapshot.transcribe import copy_file, transcribe
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lamina.snapshot.protocol import Hidden, Info


class Native(Backend):
    """The snapshotter that needs nothing from the kernel. See snapshot.protocol."""

    name = "native"
    _data = "root"

    def mounts(self, key: str, target: str) -> tuple[Mount, ...]:
        """One bind mount."""
        info = self._info(key)
        return (Mount("bind", target, self._path(key), read_only=not info.writable),)

    def commit(self, key: str, into: str, *, hidden: Hidden, keep: bool = False) -> None:
        """Moves what changed out of the copy; with `keep` copies it."""
        transcribe(self.changes(key, hidden=hidden), self._path(key), into, move=not keep)
        if not keep:
            self.remove(key)

    def changes(self, key: str, *, hidden: Hidden) -> Iterator[Entry]:
        """What differs from the copy as it was made; `hidden` is not needed, the copy's names are known."""
        self._active(key)
        return iter(changed(read_stats(self._stats(key)), walk.scan_stat(self._path(key))))

    def _fill(self, path: str, info: Info) -> None:
        root = f"{path}/{self._data}"
        make_root(root, info.parents)
        materialise(info.parents, root)
        if info.writable:
            write_stats(f"{path}/stats", walk.scan_stat(root))

    def _stats(self, key: str) -> str:
        return f"{self._shelf.path(key)}/stats"


def materialise(parents: Sequence[str], root: str) -> None:
    """Copies the merged view of `parents` (diff folders, top first) into the empty folder `root`."""
    sources = [Folders(parent) for parent in parents]
    firsts: dict[tuple[int, bytes], bytes] = {}  # file of a layer -> where its content is in `root`
    try:
        with Builder(root) as builder:
            builder.put(walk.root_entry(root))
            for number, entry in merge(walk.scan(parent) for parent in parents):
                if entry.kind is Kind.FILE or entry.kind is Kind.HARDLINK:
                    _copy(builder, entry, number, sources[number], firsts)
                else:
                    builder.put(entry._replace(opaque=False))
            builder.finish()
    finally:
        for source in sources:
            source.close()


def _copy(
    builder: Builder, entry: Entry, number: int, source: Folders, firsts: dict[tuple[int, bytes], bytes]
) -> None:
    """Copies a file, or links it to the copy of the same file under another name."""
    file = (number, entry.link or entry.path)
    first = firsts.get(file)
    if first is not None:
        builder.put(entry._replace(kind=Kind.HARDLINK, link=first))
        return
    firsts[file] = entry.path
    copy_file(builder, entry._replace(kind=Kind.FILE, link=b""), source, entry.path)
