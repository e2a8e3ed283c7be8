"""Rates: how often the files of a layer change, as other layers of the store that are like it show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db.versions import versions
from lamina.fs.entries import Entries
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.db.versions import Versions
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID

_ROOM = 8 << 20  # bytes of paths that stay in memory


class ByChangeRate:
    """`with ByChangeRate(...) as policy:` what never changed first, then what changed at times, the rest.

    A Policy of surgery.split.
    """

    def __init__(self, ctx: Layers, diff_id: DiffID, others: Sequence[DiffID]) -> None:
        """`others` are at least one layer, not this one."""
        several = len(others) > 1
        count = f"{len(others)} other layer{'s' if several else ''} like it"
        self.labels = [f"the same in {count}"]
        self.labels += [f"changed in some of {count}"] * several
        self.labels.append(f"changed in each of {count}" if several else f"changed in {count}")
        self._changed = Entries(ctx.temp_path, _ROOM)  # what changed, its part as `size`
        top = len(others)
        for found in versions(ctx.db.read(), [*others, diff_id]):
            rate = _rate(found, top)
            if rate:
                part = len(self.labels) - 1 if rate == top else 1
                self._changed.put(Entry(found.path, Kind.FILE, size=part))

    def __enter__(self) -> ByChangeRate:
        return self

    def __exit__(self, *_: object) -> None:
        self._changed.close()

    def part(self, path: bytes) -> int:
        """As Policy has it."""
        entry = self._changed.get(path)
        return entry.size if entry is not None else 0


def _rate(found: Versions, top: int) -> int:
    """In how many layers a path of the top one is not the same; 0 for a path that it lacks."""
    rows = {each.layer: each.entry for each in found.versions if each.entry is not None}
    mine = rows.get(top)
    if mine is None or mine.kind is Kind.WHITEOUT:
        return 0
    return sum(1 for layer in range(top) if not _equal(rows.get(layer), mine))


def _equal(other: Entry | None, mine: Entry) -> bool:
    return other is not None and other._replace(mtime=mine.mtime, digest=other.digest or mine.digest) == mine
