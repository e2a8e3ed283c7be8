"""Backend: what all snapshotters do alike, on top of the Shelf; a backend only moves files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.errors import Conflict
from lamina.fs import walk
from lamina.snapshot.active import Shelf
from lamina.snapshot.protocol import Info, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Backend:
    """The base of the snapshotters: keys and questions. See snapshot.protocol."""

    name = ""
    _data = ""  # the folder below mnt/KEY that holds what was written

    def __init__(self, folder: str) -> None:
        """`folder` is Layout.mnt; it must be there, on the same disk as the diff folders."""
        self._shelf = Shelf(folder)

    def prepare(self, key: str, parents: Sequence[str], *, volatile: bool = False) -> None:
        """Makes an active snapshot."""
        self._make(Info(key, True, tuple(parents), self.name, volatile))

    def view(self, key: str, parents: Sequence[str]) -> None:
        """Makes a read-only snapshot."""
        self._make(Info(key, False, tuple(parents), self.name))

    def folder(self, key: str) -> str:
        """Where the changed files lie."""
        self._info(key)
        return self._path(key)

    def stat(self, key: str) -> Info:
        """What is known about a snapshot."""
        return self._shelf.info(key)

    def remove(self, key: str) -> None:
        """Takes a snapshot away."""
        self._shelf.remove(key)

    def walk(self) -> Iterator[Info]:
        """All snapshots, of whatever backend."""
        return self._shelf.walk()

    def keep(self, key: str, name: str) -> None:
        """Renames an active snapshot."""
        self._active(key)
        self._shelf.rename(key, name)

    def usage(self, key: str) -> Usage:
        """Disk space and inodes of what was written; each hard-linked file counts once."""
        self._info(key)
        size = inodes = 0
        seen: set[tuple[int, int]] = set()
        for _, info in walk.scan_stat(self._path(key)):
            if info.st_nlink > 1 and (info.st_dev, info.st_ino) in seen:
                continue
            seen.add((info.st_dev, info.st_ino))
            size += info.st_blocks * 512
            inodes += 1
        return Usage(size, inodes)

    def _make(self, info: Info) -> None:
        self._shelf.make(info, lambda path: self._fill(path, info))

    def _fill(self, path: str, info: Info) -> None:
        raise NotImplementedError

    def _path(self, key: str) -> str:
        return f"{self._shelf.path(key)}/{self._data}"

    def _info(self, key: str) -> Info:
        """The row of a snapshot that this backend made."""
        info = self._shelf.info(key)
        if info.snapshotter != self.name:
            raise Conflict(
                f"the snapshot {key!r} was made by the {info.snapshotter} snapshotter, not by {self.name}",
                hint=f"use --snapshotter {info.snapshotter}",
            )
        return info

    def _active(self, key: str) -> Info:
        info = self._info(key)
        if not info.writable:
            raise Conflict(f"the snapshot {key!r} is a view: nothing in it can have changed")
        return info
