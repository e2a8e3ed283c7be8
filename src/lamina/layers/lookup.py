"""Lookup: the merged view of a stack of layers, answered from the files table; nothing is mounted."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID
    from lamina.tree.entry import Entry
    from lamina.tree.tree import Tree


class Lookup:
    """Looks paths up in a stack of layers. Paths are relative bytes as in Entry; b"" is the root, always there."""

    def __init__(self, ctx: Layers, chain: Sequence[DiffID]) -> None:
        """`chain` are the diff IDs, top first; () is the empty file system of `FROM scratch`."""
        raise NotImplementedError

    def get(self, path: bytes) -> Entry | None:
        """The entry at `path`, no link followed; None where there is nothing.

        A HARDLINK has the mode, owner, size, xattrs and digest of its FILE.
        """
        raise NotImplementedError

    def children(self, path: bytes) -> Sequence[Entry]:
        """What the folder at `path` holds, sorted by path; () where it is no folder."""
        raise NotImplementedError

    def walk(self, path: bytes = b"") -> Iterator[Entry]:
        """The entry at `path` and all below it, sorted by path."""
        raise NotImplementedError

    def resolve(self, path: bytes, follow_last: bool = True) -> bytes:
        """Follows symbolic links inside the root; the last part need not exist. InvalidInput on a loop."""
        raise NotImplementedError

    def open(self, path: bytes) -> BinaryIO:
        """Opens the content of the FILE (or HARDLINK) at `path`, no link followed. NotFound when there is none."""
        raise NotImplementedError

    def tree(self) -> Tree:
        """The whole merged tree, made once."""
        raise NotImplementedError
