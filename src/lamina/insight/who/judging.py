"""Judging: of what a stack of layers holds, what is still to be seen above all of them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db.files import absolute
from lamina.insight.who.answer import DELETED, REPLACED, VISIBLE, Seen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lamina.insight.who.finding import Find


class LayerAct(NamedTuple):
    """What one layer of a stack did to a path: it has something there, or the path is gone above it."""

    number: int  # of the layer, from 1
    there: bool
    finds: Sequence[Find] = ()  # of what is looked for, at this path in this layer


def judge(deeds: Sequence[LayerAct], diff_ids: Mapping[int, str]) -> list[Seen]:
    """What became of each find at one path, the bottom first.

    A file counts in each layer that has it: its bytes are there each time. A package counts once for all
    the layers in a row that list it, as of the lowest, which brought it.
    `diff_ids` are those of layers by their numbers in the database.
    """
    found: list[Seen] = []
    open_since: dict[object, int] = {}  # where in `found` what is still to be seen is
    for deed in deeds:
        now: dict[object, int] = {}
        for find in deed.finds:
            key = find.package if find.package is not None else deed.number
            if find.package is not None and key in open_since:
                now[key] = open_since.pop(key)
                continue
            now[key] = len(found)
            found.append(_seen(deed, find, diff_ids))
        for place in open_since.values():
            found[place] = found[place]._replace(state=REPLACED if deed.there else DELETED, by=deed.number)
        open_since = now
    return found


def _seen(deed: LayerAct, find: Find, diff_ids: Mapping[int, str]) -> Seen:
    name, version = (find.package.name, find.package.version) if find.package else ("", "")
    return Seen(diff_ids.get(find.diff, ""), deed.number, absolute(find.path), name, version, VISIBLE, 0)
