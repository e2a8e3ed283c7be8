"""The files of an image by folder, each with its layer: exact sums, and no more names than a page can hold.

One pass over the rows. The biggest files keep their names; the others of a folder become one number, and so
does a small folder when there are too many, so that a million files cost no more memory than some ten
thousand.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.db.files import ancestors, key_of
from lamina.db.versions import versions
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from lamina.db.versions import Versions
    from lamina.oci.digest import DiffID

MOST_FILES = 60_000  # with names
MOST_FOLDERS = 12_000
_MOST_RESTS = 16  # numbers of one folder; more layers than that go into one, of layer 0


class File(NamedTuple):
    """One file that a layer brought (no folder), as it is, or was, in a folder."""

    name: str  # by os.fsdecode
    size: int  # bytes; 0 for what has none of its own: links, devices
    layer: int  # from 1, the bottom
    gone: int = 0  # the layer that deleted it or wrote it anew; 0 when it is to be seen

    @property
    def is_seen(self) -> bool:
        """Whether a container sees it."""
        return not self.gone


class Rest(NamedTuple):
    """Files of a folder, and of small folders in it, that are not named one by one."""

    layer: int  # that brought them; 0 for several
    is_seen: bool
    files: int
    size: int  # bytes


class Folder(NamedTuple):
    """One folder that has files, or had. The first is the root; each comes after the one it lies in."""

    parent: int  # its place among the folders; -1 for the root
    name: str  # by os.fsdecode; "" for the root
    files: tuple[File, ...]
    rest: tuple[Rest, ...]


class Files(NamedTuple):
    """All files of an image. The sums over `folders` are those over all files."""

    folders: tuple[Folder, ...]
    layers: tuple[int, ...]  # bytes of each layer that are to be seen, the bottom first
    seen: int  # files that a container sees
    size: int  # bytes to be seen


class _Node:
    """A folder while files are gathered."""

    __slots__ = ("files", "parent", "rest", "size")

    def __init__(self, parent: _Node | None) -> None:
        self.parent = parent
        self.files: list[File] = []
        self.rest: dict[tuple[int, bool], list[int]] = {}
        self.size = 0  # of what lies directly in it

    def fold(self, layer: int, seen: bool, count: int, size: int) -> None:
        """Adds files without their names."""
        key = (layer, seen)
        if key not in self.rest and len(self.rest) >= _MOST_RESTS:
            key = (0, seen)
        sums = self.rest.setdefault(key, [0, 0])
        sums[0] += count
        sums[1] += size


class _Gathered:
    """The folders with what is known of them so far, within bounds."""

    def __init__(self, most_files: int, most_folders: int) -> None:
        self._most_files, self._most_folders = most_files, most_folders
        self._nodes: dict[bytes, _Node] = {b"": _Node(None)}
        self._named = 0
        self._unnamed = -1  # files of at most so many bytes are not named any more

    def add(self, folder: bytes, file: File) -> None:
        """Notes a file that lies in `folder`."""
        node = self._node(folder)
        node.size += file.size
        if file.size <= self._unnamed:
            node.fold(file.layer, file.is_seen, 1, file.size)
            return
        node.files.append(file)
        self._named += 1
        if self._named > 2 * self._most_files:
            self._fewer_names()

    def folders(self) -> tuple[Folder, ...]:
        """All of them, within the bounds."""
        if self._named > self._most_files:
            self._fewer_names()
        if len(self._nodes) > self._most_folders:
            self._fewer_folders()
        places = {node: place for place, node in enumerate(self._nodes.values())}
        return tuple(
            Folder(
                places[node.parent] if node.parent else -1,
                os.fsdecode(key_of(path)[1]),
                tuple(node.files),
                tuple([Rest(*key, *sums) for key, sums in sorted(node.rest.items())]),
            )
            for path, node in self._nodes.items()
        )

    def _node(self, path: bytes) -> _Node:
        found = self._nodes.get(path)
        if found is None:
            if len(self._nodes) >= 2 * self._most_folders:
                self._fewer_folders()
            found = self._nodes[b""]
            for folder in (*ancestors(path)[1:], path):
                found = self._nodes.setdefault(folder, _Node(found))
        return found

    def _fewer_names(self) -> None:
        """Leaves the biggest files their names; of equal ones those that came first."""
        sizes = sorted([file.size for node in self._nodes.values() for file in node.files], reverse=True)
        least = sizes[self._most_files - 1]
        room = self._most_files - sum(1 for size in sizes if size > least)
        for node in self._nodes.values():
            kept: list[File] = []
            for file in node.files:
                if file.size > least or (file.size == least and room > 0):
                    room -= file.size == least
                    kept.append(file)
                else:
                    node.fold(file.layer, file.is_seen, 1, file.size)
            node.files = kept
        self._named, self._unnamed = self._most_files, least

    def _fewer_folders(self) -> None:
        """Leaves the biggest folders; what is in the others counts in the folder that they lie in."""
        nodes = list(self._nodes.values())
        total = {node: node.size for node in nodes}
        for node in reversed(nodes):  # a folder has its place before those in it
            if node.parent is not None:
                total[node.parent] += total[node]
        biggest = sorted(nodes, key=lambda node: (-total[node], node.parent is not None))  # stable
        kept = set(biggest[: self._most_folders])
        for node in reversed(nodes):
            if node not in kept and node.parent is not None:
                self._named -= len(node.files)
                _fold(node, node.parent)
        self._nodes = {path: node for path, node in self._nodes.items() if node in kept}


def _fold(node: _Node, into: _Node) -> None:
    for file in node.files:
        into.fold(file.layer, file.is_seen, 1, file.size)
    for (layer, seen), (count, size) in node.rest.items():
        into.fold(layer, seen, count, size)
    into.size += node.size


def files_of(
    c: sqlite3.Connection,
    diff_ids: Sequence[DiffID],
    most_files: int = MOST_FILES,
    most_folders: int = MOST_FOLDERS,
) -> Files:
    """The files of a stack of layers (bottom first). NotFound when a layer has no rows."""
    gathered = _Gathered(most_files, most_folders)
    seen = [0] * len(diff_ids)
    count = 0
    for found in versions(c, diff_ids):
        folder, name = key_of(found.path)
        for file in _files(found, os.fsdecode(name)):
            gathered.add(folder, file)
            if file.is_seen:
                count += 1
                seen[file.layer - 1] += file.size
    return Files(gathered.folders(), tuple(seen), count, sum(seen))


def _files(found: Versions, name: str) -> Iterator[File]:
    """The files that were at a path; of those that are gone only what has bytes."""
    last = len(found.versions) - 1
    for place, (layer, entry) in enumerate(found.versions):
        if entry is None or entry.kind in (Kind.DIR, Kind.WHITEOUT):
            continue
        size = entry.size if entry.kind is Kind.FILE else 0
        if place == last:
            yield File(name, size, layer + 1)
        elif size:
            yield File(name, size, layer + 1, found.versions[place + 1].layer + 1)
