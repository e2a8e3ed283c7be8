"""fold: layers without what layers above them delete or overwrite, and metadata where the bytes are.

A layer is written anew only where it loses or gains the content of a file; all others stay what they are, so
that other images share them as before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db.versions import versions
from lamina.surgery.arrange import NOWHERE, Spot, arrange
from lamina.surgery.homes import Homes, run
from lamina.surgery.parts import Parts, done
from lamina.tree.entry import FILES, Entry, Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from lamina.db.layerdb import Diff
    from lamina.db.versions import Version
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID, ImageID
    from lamina.surgery.net import Settled


def fold(ctx: Layers, parts: Parts, low: int, high: int, image_id: ImageID, created: str) -> Parts:
    """The layers `low` to `high` (from 1, both included) without the copies of files that nobody sees.

    A copy that only changes mode, owner, attributes or time goes into the layer that has the bytes. Layers in
    which nothing is left are dropped; their lines of history stay. What a container sees does not change.
    Where there is nothing to fold, `parts`. Errors as of layers.rewrite.
    """
    diff_ids = parts.diff_ids
    with Homes(ctx, diff_ids, low, high) as homes:
        changing = _Changing(homes)
        changing.look(ctx.db.read(), diff_ids, low, high)
        if not changing.layers:
            return parts
        placing = _Placing(homes, sorted(changing.layers))
        made = arrange(ctx, diff_ids, low, high, len(placing.layers), placing.spot)
    new = dict(zip(placing.layers, made, strict=True))
    numbers = ", ".join([str(layer + 1) for layer in placing.layers])
    line = done("lamina fold", created, f"layers {numbers} of {image_id}")
    return parts._replace(lines=(*_with(parts, new).lines, line))


def _with(parts: Parts, new: dict[int, Diff | None]) -> Parts:
    """The same lines, with other layers."""
    lines = list(parts.lines)
    for layer, diff in new.items():
        place = parts.at(layer + 1)
        lines[place] = lines[place]._replace(diff_id=diff.diff_id if diff is not None else None)
    return parts._replace(lines=tuple(lines))


class _Changing:
    """Finds the layers (from 0) that have to be written anew."""

    def __init__(self, homes: Homes) -> None:
        self.layers: set[int] = set()
        self._homes = homes
        self._undone: set[tuple[int, int]] = set()  # a layer with what another deletes, and that other

    def look(self, c: sqlite3.Connection, diff_ids: Sequence[DiffID], low: int, high: int) -> None:
        """Looks at every path of the range."""
        for found in versions(c, diff_ids[:high]):
            mine = [each for each in found.versions if each.layer >= low - 1]
            if mine:
                self._judge(mine)
        grown = True
        while grown:  # what a layer deletes must not come back when its deletion goes
            more = {lower for lower, upper in self._undone if upper in self.layers} - self.layers
            self.layers |= more
            grown = bool(more)

    def _judge(self, mine: Sequence[Version]) -> None:
        there: list[Version] = []
        for version in mine:
            if version.is_there:
                there.append(version)
                continue
            self._undone.update([(each.layer, version.layer) for each in there])
            if any(_has_bytes(each) for each in there):
                self.layers.add(version.layer)
            there.clear()
        self.layers.update([each.layer for each in mine[:-1] if _has_bytes(each)])
        if _has_bytes(mine[-1]):
            home = self._homes.of(mine)
            if home != mine[-1].layer:
                self.layers |= {home, mine[-1].layer}


class _Placing:
    """Says where each entry goes, in the layers that are written anew."""

    def __init__(self, homes: Homes, layers: list[int]) -> None:
        self.layers = layers
        self._homes = homes
        self._numbers = {layer: number for number, layer in enumerate(layers)}

    def spot(self, each: Settled) -> Spot:
        """The spot, by the numbers of new layers."""
        if each.entry.kind is Kind.DIR:
            return self._spot_of_folder(each)
        layer = each.layer
        if layer not in self._numbers:
            return Spot(NOWHERE)
        if each.entry.kind in FILES and (each.entry.size or self._homes.has_names(each.versions[-1])):
            layer = self._homes.of(each.versions) if each.entry.size else layer
        elif each.entry.kind is not Kind.WHITEOUT:
            layer = self._lowest(run(each.versions))[-1].layer
        return Spot(self._numbers[layer])

    def _spot_of_folder(self, each: Settled) -> Spot:
        found = run(each.versions)
        opaque = self._opaque(each, found) if each.entry.opaque else NOWHERE
        mine = self._lowest(found)
        if not mine:
            return Spot(NOWHERE, opaque=opaque)
        return Spot(self._numbers[mine[-1].layer], len(mine) < len(found), opaque)

    def _lowest(self, found: list[Version]) -> list[Version]:
        """Those of a run, from the newest on, that lie above all that stays as it is."""
        for number, version in enumerate(found):
            if version.layer not in self._numbers:
                return found[:number]
        return found

    def _opaque(self, each: Settled, found: list[Version]) -> int:
        """The new layer in which a folder is opaque; NOWHERE where one that stays sees to it."""
        bottom = found[-1]
        if bottom.layer in self._numbers:
            return self._numbers[bottom.layer]
        if bottom.entry is not None and bottom.entry.opaque:
            return NOWHERE
        hiding = each.versions[-len(found) - 1]  # a deletion, or something else that was no folder
        return self._numbers.get(hiding.layer, NOWHERE)


def _has_bytes(version: Version) -> bool:
    entry: Entry | None = version.entry
    return entry is not None and entry.kind in FILES and entry.size > 0
