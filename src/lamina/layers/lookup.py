"""Lookup: the merged view of a stack of layers, answered from the files table; nothing is mounted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from lamina.db import cachedb
from lamina.errors import NotFound
from lamina.tree.entry import FILES, Entry, Kind
from lamina.tree.tree import parent_of, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lamina.db.cachedb import Found
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID
    from lamina.tree.tree import Tree

EMPTY_DIFF = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"  # 1024 zeros

_ROOT = Entry(b"", Kind.DIR)


class Lookup:
    """Looks paths up in a stack of layers. Paths are relative bytes as in Entry; b"" is the root."""

    __slots__ = ("_ctx", "_found", "_stack", "_whole", "chain")

    def __init__(self, ctx: Layers, chain: Sequence[DiffID]) -> None:
        """`chain` are the diff IDs, top first; () is the empty file system of `FROM scratch`."""
        self.chain = tuple(chain)
        self._stack = tuple(diff_id for diff_id in chain if diff_id != EMPTY_DIFF)
        self._ctx = ctx
        self._found: dict[bytes, Found | None] = {}
        self._whole: set[bytes] = set()  # folders of which all that they hold is in _found

    def get(self, path: bytes) -> Entry | None:
        """The entry at `path`, no link followed; None where there is nothing.

        A HARDLINK has the mode, owner, size, xattrs and digest of its FILE.
        """
        found = self._find(path)
        if found is not None:
            return found[1]
        return None if path else _ROOT

    def source(self, path: bytes) -> DiffID | None:
        """The layer that has the entry at `path`; None where there is nothing."""
        found = self._find(path)
        return found[0] if found is not None else None

    def children(self, path: bytes) -> Sequence[Entry]:
        """What the folder at `path` holds, sorted by path; () where it is no folder."""
        return tuple([entry for _, entry in self._list(path).values()])

    def prefetch(self, path: bytes) -> None:
        """Looks up at once what the folder at `path` holds, before many questions about it."""
        if path not in self._whole:
            self._load(path)
            self._whole.add(path)

    def walk(self, path: bytes = b"") -> Iterator[Entry]:
        """The entry at `path` and all below it; a folder comes before what is in it."""
        entry = self.get(path)
        if entry is None:
            return
        todo = [entry]
        while todo:
            entry = todo.pop()
            yield entry
            if entry.kind is Kind.DIR:
                todo.extend(reversed(self.children(entry.path)))

    def names(self, path: bytes) -> Sequence[bytes]:
        """The names in the folder at `path`, sorted; () where it is no folder."""
        return tuple(self._list(path))

    def resolve(self, path: bytes, follow_last: bool = True) -> bytes:
        """Follows symbolic links inside the root; the last part need not exist. InvalidInput on a loop."""
        return resolve(path, self.get, follow_last)

    def open(self, path: bytes) -> BinaryIO:
        """Opens the FILE (or HARDLINK) at `path`, no link followed, unbuffered. NotFound if there is none."""
        found = self._find(path)
        if found is None or found[1].kind not in FILES:
            raise NotFound(f"/{os.fsdecode(path)}: no such file")
        return self._ctx.open_file(found[0], path)

    def tree(self) -> Tree:
        """The whole merged tree."""
        from lamina.tree.change import apply  # only here: what needs the whole tree is not the fast path
        from lamina.tree.tree import Tree

        merged = Tree()
        sources: dict[bytes, DiffID] = {}
        for diff_id in reversed(self._stack):
            entries = cachedb.files(self._ctx.db.read(), diff_id)
            sources.update(dict.fromkeys([entry.path for entry in entries], diff_id))
            merged = apply(merged, entries)
        self._found.update(
            {entry.path: (sources[entry.path], entry) for entry in merged if entry.path in sources}
        )
        return merged

    def _list(self, path: bytes) -> dict[bytes, Found]:
        return self._load(path)

    def _load(self, path: bytes) -> dict[bytes, Found]:
        if not self._stack:
            return {}
        found = cachedb.list_dir(self._ctx.db.read(), self._stack, path)
        prefix = path + b"/" if path else b""
        self._found.update({prefix + name: each for name, each in found.items()})
        return found

    def _find(self, path: bytes) -> Found | None:
        if path not in self._found:
            if path and parent_of(path) in self._whole:
                return None
            found = cachedb.lookup(self._ctx.db.read(), self._stack, path) if self._stack else None
            self._found[path] = found
        return self._found[path]
