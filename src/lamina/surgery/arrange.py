"""arrange: what a range of layers comes to, written as new layers; its caller says what goes where."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from lamina.fs.entries import ROOM, Entries
from lamina.layers.rewrite import NewLayer, Piece
from lamina.surgery.net import net
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.db.layerdb import Diff
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID
    from lamina.surgery.net import Settled

NOWHERE = -1
_LEAST = 1 << 20  # bytes of entries that stay in memory for each of many layers


class Spot(NamedTuple):
    """Where an entry goes: the number of a new layer, from 0, the bottom; NOWHERE for what stays where it is.

    Folders also go with what is in them, as they are in the end. `always` is about a folder: also where
    another new layer has it; `opaque` is the layer in which an opaque one is that.
    """

    layer: int
    always: bool = True
    opaque: int = NOWHERE


def arrange(
    ctx: Layers,
    diff_ids: Sequence[DiffID],
    low: int,
    high: int,
    count: int,
    spot: Callable[[Settled], Spot],
) -> list[Diff | None]:
    """Writes `count` layers that come to what the layers `low` to `high` (from 1) of a stack come to.

    None stands for a layer in which nothing would be. All names of a file need the same spot. Errors as of
    layers.rewrite.
    """
    with ExitStack() as stack:
        folders = stack.enter_context(Entries(ctx.temp_path, ROOM // 4))
        spare = stack.enter_context(Entries(ctx.temp_path, ROOM // 4))
        room = max(_LEAST, ROOM // count)
        layers = [stack.enter_context(NewLayer(ctx, room)) for _ in range(count)]
        for each in net(ctx.db.read(), diff_ids, low, high):
            where = spot(each)
            if each.entry.kind is Kind.DIR:
                _put_folder(layers, folders, spare, each.entry, where)
            elif where.layer != NOWHERE:
                layers[where.layer].put(Piece(each.entry, diff_ids[each.layer]))
        for layer in layers:
            layer.complete(folders.get)
        _put_spare(layers, folders, spare)
        return [layer.commit() for layer in layers]


def _put_folder(
    layers: Sequence[NewLayer], folders: Entries, spare: Entries, entry: Entry, where: Spot
) -> None:
    plain = entry._replace(opaque=False)
    folders.put(plain)
    if where.layer != NOWHERE and where.always:
        layers[where.layer].put(Piece(plain))
    elif where.layer != NOWHERE:
        spare.put(plain._replace(size=where.layer))
    if entry.opaque and where.opaque != NOWHERE:
        layers[where.opaque].put(Piece(entry))


def _put_spare(layers: Sequence[NewLayer], folders: Entries, spare: Entries) -> None:
    """Puts the folders that came with nothing."""
    late = set()
    for entry in reversed(spare):  # what is in a folder first
        if not any(entry.path in layer.entries for layer in layers):
            layers[entry.size].put(Piece(entry._replace(size=0)))
            late.add(entry.size)
    for number in late:
        layers[number].complete(folders.get)
