"""COPY --from: the layers of a stage or an image as a Source."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from lamina.layers.lookup import Lookup
    from lamina.oci.digest import DiffID


class LayerSource:
    """A Source over a merged stack of layers. Digests are in the rows."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    @property
    def chain(self) -> Sequence[DiffID]:
        """The diff IDs of the layers, top first."""
        return self._lookup.chain

    def get(self, path: bytes) -> Entry | None:
        """The entry at `path`."""
        return self._lookup.get(path) if path else Entry(b"", Kind.DIR)

    def children(self, path: bytes) -> Sequence[Entry]:
        """What the folder at `path` holds."""
        return self._lookup.children(path)

    def digest(self, entry: Entry) -> str:
        """As its row has it."""
        return entry.digest

    def open(self, entry: Entry) -> BinaryIO:
        """The content of a FILE or HARDLINK."""
        return self._lookup.open(entry.path)

    def layer_of(self, path: bytes) -> DiffID | None:
        """The layer that has the file at `path`."""
        return self._lookup.source(path)

    def identity(self, entry: Entry) -> Hashable | None:
        """The name that a layer gave the file first, and all else, so that a replaced file is another one."""
        first = entry.link if entry.kind is Kind.HARDLINK else entry.path
        return (first, entry.digest, entry.mode, entry.uid, entry.gid, entry.mtime, entry.xattrs)
