"""Ways: the paths that finds are at, with what became of each in all stacks above the layers with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import fates
from lamina.insight.who.judging import LayerAct

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from lamina.db.fates import Standing
    from lamina.insight.who.finding import Find
    from lamina.oci.digest import ChainID


class Way(NamedTuple):
    """All that is known of one path that finds are at."""

    path: bytes
    finds: Mapping[int, Sequence[Find]]  # by number of the diff
    above: Mapping[ChainID, Standing]
    acts: Mapping[int, bool]

    def deeds(self, top: ChainID) -> list[LayerAct]:
        """What the layers of the stack with this top did to the path."""
        return [
            LayerAct(act.layer.number, act.there, self.finds.get(act.layer.diff, ()))
            for act in fates.fate(self.above, self.acts, top)
        ]


def ways_of(c: sqlite3.Connection, found: Iterable[Find]) -> list[Way]:
    """The finds by their paths, sorted."""
    by_path: dict[bytes, dict[int, list[Find]]] = {}
    for each in found:
        by_path.setdefault(each.path, {}).setdefault(each.diff, []).append(each)
    standing: dict[frozenset[int], Mapping[ChainID, Standing]] = {}
    ways = []
    for path, finds in sorted(by_path.items()):
        numbers = frozenset(finds)
        if numbers not in standing:
            standing[numbers] = fates.standing_on(c, numbers)
        above = standing[numbers]
        acts = fates.acts_on(c, path, {layer.diff for layer in above.values()})
        ways.append(Way(path, finds, above, acts))
    return ways
