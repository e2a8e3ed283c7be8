"""Homes: which layer of a range has the bytes of a file already, where one above changed only its metadata.

The names of one file have one home: in two layers they would be two files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db.links import hard_links
from lamina.db.versions import versions_at
from lamina.fs.entries import Entries
from lamina.tree.entry import FILES, Entry, Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from lamina.db.versions import Version
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID

_ROOM = 8 << 20  # bytes of hard links that stay in memory


class Homes:
    """`with Homes(ctx, diff_ids, low, high) as homes:` the range as surgery.net has it."""

    def __init__(self, ctx: Layers, diff_ids: Sequence[DiffID], low: int, high: int) -> None:
        self._groups = Entries(ctx.temp_path, _ROOM)  # by layer and FILE; the home as `size`
        c = ctx.db.read()
        for layer in range(low - 1, high):
            for path, link in hard_links(c, diff_ids[layer]):
                for name in (path, link):
                    self._note(c, diff_ids[:high], low, layer, link, name)

    def __enter__(self) -> Homes:
        return self

    def __exit__(self, *_: object) -> None:
        self._groups.close()

    def of(self, mine: Sequence[Version]) -> int:
        """The layer (from 0) where a FILE or HARDLINK of the range belongs; `mine` is what became of it."""
        layer, entry = mine[-1].layer, mine[-1].entry
        assert entry is not None
        group = self._groups.get(_key(layer, entry.link or entry.path))
        return run(mine)[-1].layer if group is None else group.size

    def has_names(self, last: Version) -> bool:
        """Whether a FILE or HARDLINK is a name of several of one file."""
        entry = last.entry
        return entry is not None and _key(last.layer, entry.link or entry.path) in self._groups

    def _note(
        self, c: sqlite3.Connection, stack: Sequence[DiffID], low: int, layer: int, file: bytes, name: bytes
    ) -> None:
        found = versions_at(c, stack, name)
        mine = [each for each in found.versions if each.layer >= low - 1] if found is not None else []
        if not mine or mine[-1].layer != layer or mine[-1].entry is None:
            return
        if mine[-1].entry.kind not in FILES:
            return
        key = _key(layer, file)
        old = self._groups.get(key)
        home = run(mine)[-1].layer
        self._groups.put(Entry(key, Kind.FILE, size=max(home, old.size if old is not None else 0)))


def run(mine: Sequence[Version]) -> list[Version]:
    """The last versions that only differ in metadata, the newest first; of a folder: that are one folder."""
    found = [mine[-1]]
    for version in reversed(mine[:-1]):
        above = found[-1].entry
        if version.entry is None or above is None or above.opaque or not _same(version.entry, above):
            break
        found.append(version)
    return found


def _same(old: Entry, new: Entry) -> bool:
    """Whether two entries for a path have the same bytes."""
    if old.kind in FILES and new.kind in FILES:
        return old.size == new.size and (old.digest == new.digest or not old.size)
    same_kind = old.kind is new.kind and old.kind is not Kind.WHITEOUT
    return same_kind and old.link == new.link and old.rdev == new.rdev


def _key(layer: int, file: bytes) -> bytes:
    return b"%d %b" % (layer, file)
