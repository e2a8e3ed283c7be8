"""Bench: what a check works with. Layers are made here, mounted here, and compared here."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lamina.fs import walk
from lamina.mount import apply
from lamina.snapshot.merge import merge
from lamina.testing import trees
from lamina.testing.isolate import Skip
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from lamina.snapshot.protocol import Hidden, Snapshotter
    from lamina.testing.isolate import Ids
    from lamina.testing.trees import Item


class Bench:
    """One snapshotter on an empty store."""

    def __init__(self, make: Callable[[str], Snapshotter], folder: str, ids: Ids) -> None:
        self.folder = folder
        self.ids = ids
        for name in ("mnt", "diff", "at"):
            os.mkdir(f"{folder}/{name}")
        self.snapshotter = make(f"{folder}/mnt")
        self._count = 0

    def need_root(self, why: str) -> None:
        """Skips the check anywhere but as the machine's root."""
        if self.ids != "root":
            raise Skip(f"needs root: {why}")

    def need_owners(self) -> None:
        """Skips the check where there is one ID only."""
        if self.ids == "one":
            raise Skip("needs more than one ID: files of other owners")

    def layer(self, *items: Item, plain_whiteouts: bool = False) -> str:
        """Makes a diff folder of `items`; returns its path."""
        return trees.write(self.new_diff(), *items, plain_whiteouts=plain_whiteouts)

    def new_diff(self) -> str:
        """The path of a diff folder that is not there yet."""
        return f"{self.folder}/diff/{self.word()}"

    def word(self) -> str:
        """A word not used before, for a key or a name."""
        self._count += 1
        return f"n{self._count}"

    @contextmanager
    def view(self, *parents: str) -> Iterator[str]:
        """The merged view of `parents` (top first), mounted read-only; where."""
        key = self.word()
        self.snapshotter.view(key, parents)
        with self.mounted(key) as root:
            yield root
        self.snapshotter.remove(key)

    @contextmanager
    def mounted(self, key: str) -> Iterator[str]:
        """The snapshot `key`, mounted; where."""
        target = f"{self.folder}/at/{self.word()}"
        os.mkdir(target)
        mounts = self.snapshotter.mounts(key, target)
        for mount in mounts:
            apply.apply(mount)
        try:
            yield target
        finally:
            for mount in reversed(mounts):
                apply.unmount(mount.target)
            os.rmdir(target)

    def write(
        self, parents: Sequence[str], change: Callable[[str], object], *, volatile: bool = False
    ) -> str:
        """Prepares a snapshot over `parents`, has `change` work on the mounted root; returns the key."""
        key = self.word()
        self.snapshotter.prepare(key, parents, volatile=volatile)
        with self.mounted(key) as root:
            change(root)
        return key

    def commit(self, parents: Sequence[str], change: Callable[[str], object]) -> str:
        """As write(), and commits; returns the new diff folder.

        Checks what holds for every commit: over its parents, the layer shows exactly the tree that was
        written, to the nanosecond, and the parents did not change.
        """
        before = [seen(parent) for parent in parents]
        key = self.word()
        self.snapshotter.prepare(key, parents)
        with self.mounted(key) as root:
            change(root)
            written = seen(root)
        into = self.new_diff()
        self.snapshotter.commit(key, into, hidden=hidden(parents))
        assert [seen(parent) for parent in parents] == before, "a parent was changed"
        with self.view(into, *parents) as root:
            shown = seen(root)
        assert shown == written, difference(written, shown)
        return into


def hidden(parents: Sequence[str]) -> Hidden:
    """What layers.Lookup answers in Lamina: the names that `parents` have in a folder."""
    children: dict[bytes, list[bytes]] = {}
    for _, entry in merge(walk.scan(parent) for parent in parents):
        folder, _, name = entry.path.rpartition(b"/")
        children.setdefault(folder, []).append(name)

    def names(path: bytes) -> Iterable[bytes]:
        return children.get(path, ())

    return names


def seen(root: str) -> dict[str, Entry]:
    """All that a process sees below `root`, as far as every snapshotter must show the same.

    Sockets do not go into layers. Which names are links of one file is seen only sometimes: overlay breaks
    a link when it copies one of its names up, and in a user namespace it shows other inodes until remounted.
    """
    entries = {}
    for path, entry in trees.tree(root).items():
        if entry.kind is Kind.HARDLINK:
            entry = entry._replace(kind=Kind.FILE, link=b"")
        if entry.kind is not Kind.SOCKET:
            entries[path] = entry
    return entries


def changes(diff: str) -> dict[str, str]:
    """What a diff folder does: {"etc/passwd": "w", "etc/new": "f"}, without folders that only hold that."""
    kinds = trees.kinds(diff)
    parents = {path.rpartition("/")[0] for path in kinds}
    return {path: kind for path, kind in kinds.items() if kind != "d" or path not in parents}


def difference(wanted: dict[str, Entry], got: dict[str, Entry]) -> str:
    """The first paths at which two trees differ, for a message."""
    lines = [
        f"{path!r}:\n  wanted {wanted.get(path)}\n  got    {got.get(path)}"
        for path in sorted(wanted.keys() | got.keys())
        if wanted.get(path) != got.get(path)
    ]
    return "\n".join(["the trees differ:", *lines[:5]])


def names(path: str) -> list[str]:
    """What a listing of the folder shows, each name also found when it is looked up."""
    listed = sorted(os.listdir(path))
    for name in listed:
        os.lstat(f"{path}/{name}")
    return listed


def put(path: str, content: bytes = b"new") -> None:
    """Writes a file, as a shell's `>` does."""
    with open(path, "wb") as out:
        out.write(content)


def read(path: str) -> bytes:
    """The content of a file."""
    with open(path, "rb") as source:
        return source.read()
