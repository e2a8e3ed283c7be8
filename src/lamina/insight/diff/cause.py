"""Cause: why two builds that were meant to be equal are not: the layers that differ, and how.

What is listed first is what to look at first: contents, then what is there, owners, modes, times. Where no
file differs it is the order or the headers in the tar; where no layer does, the config.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db.files import absolute
from lamina.db.sidebyside import layer_pairs, shared_layers
from lamina.fs.reading import head
from lamina.insight.diff import known, likely
from lamina.insight.diff.change import CONTENT, MODE, OWNER, TIME, differing
from lamina.insight.diff.contents import at_rest
from lamina.insight.states import IMAGE, State
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.db.sidebyside import Pair
    from lamina.insight.diff.likely import Likely
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID
    from lamina.tree.entry import Entry

_READ = 200  # files of which contents are compared: enough to see what it is
_ORDER = (CONTENT, "there", "type", "link", OWNER, MODE, "device", "xattr", TIME, "hard link")


class Cause(NamedTuple):
    """One kind of difference, with the first path at which there is one."""

    what: str  # content, there, owner, mode, time, order, header, config, compression, layers, ...
    layer: int  # from 1; 0 where the layers are equal
    created_by: str  # what made that layer
    path: str  # absolute; "" where it is no file
    detail: str  # how it differs there
    reason: str  # what is likely behind it
    advice: str  # what would make it equal
    paths: int = 1  # of the layer that differ so


def equal_builds(old: State, new: State) -> bool:
    """Whether two images are meant to be equal: the same instructions made them."""
    if old.config is None or new.config is None or not old.kind == new.kind == IMAGE:
        return False
    lines = [
        [(item.created_by, item.empty_layer) for item in each.config.history]
        for each in (old, new)
        if each.config
    ]
    same_size = len(old.diff_ids) == len(new.diff_ids)
    return old.image_id != new.image_id and same_size and lines[0] == lines[1] and bool(lines[0])


def causes(ctx: Layers, old: State, new: State) -> tuple[Cause, ...]:
    """Why they differ, layer by layer, the most telling first; () for equal ones. As layers.absent.bring."""
    shared = shared_layers(old.diff_ids, new.diff_ids)
    if shared == len(old.diff_ids) == len(new.diff_ids):
        return _of_configs(old, new)
    kinds = _Kinds(ctx, old, new)
    found: list[Cause] = []
    for place, (one, other) in enumerate(zip(old.diff_ids, new.diff_ids, strict=False)):
        if one != other:
            found += kinds.of_layer(place) or [_in_tars(ctx, old, new, place)]
    if len(old.diff_ids) != len(new.diff_ids):
        found.append(_of_numbers(old, new, min(len(old.diff_ids), len(new.diff_ids))))
    return tuple(found)


def _of_configs(old: State, new: State) -> tuple[Cause, ...]:
    """Of images whose layers are equal."""
    from lamina.insight.diff.config import fields

    found = []
    for change in fields(old.config, new.config):
        name = f"{change.field} {change.key}".strip()
        reason, advice = known.of_field(change.field)
        found.append(Cause("config", 0, "", "", f"{name}: {change.old} -> {change.new}", reason, advice))
    if not found and old.config and new.config and old.config.history != new.config.history:
        found.append(Cause("config", 0, "", "", _history(old, new), *known.HISTORY))
    return tuple(found)


def _history(old: State, new: State) -> str:
    assert old.config is not None
    assert new.config is not None
    for number, (one, other) in enumerate(zip(old.config.history, new.config.history, strict=False), 1):
        for name in ("created", "created_by", "comment", "author"):
            before, after = getattr(one, name), getattr(other, name)
            if before != after:
                return f"history line {number}: {name}: {before} -> {after}"
    return "history"


def _of_numbers(old: State, new: State, fewest: int) -> Cause:
    more, fewer = (old, new) if len(old.diff_ids) > fewest else (new, old)
    detail = f"{more.label} has {len(more.diff_ids)} layers, {fewer.label} has {fewest}"
    line = more.created_by[fewest] if fewest < len(more.created_by) else ""
    return Cause("layers", fewest + 1, line, "", detail, "one was built with more instructions", "")


class _Kinds:
    """The differences of a layer by their kind, each with its first path and what is likely behind it."""

    def __init__(self, ctx: Layers, old: State, new: State) -> None:
        self._ctx, self._old, self._new = ctx, old, new
        self._read = 0

    def of_layer(self, place: int) -> list[Cause]:
        """What differs between the rows of a layer (from 0), the most telling kind first."""
        first: dict[tuple[str, str], Cause] = {}
        counts: dict[tuple[str, str], int] = {}
        layers = self._old.diff_ids[place], self._new.diff_ids[place]
        for pair in at_rest(self._ctx, layers, layer_pairs(self._ctx.db.read(), *layers)):
            what, found = self._likely(pair, layers)
            by_line = known.of_instruction(self._new.created_by[place], what)
            if by_line is not None and (not found.reason or what in (MODE, TIME)):
                found = found._replace(reason=by_line.reason, advice=by_line.advice)
            key = (what, found.reason)
            counts[key] = counts.get(key, 0) + 1
            if key not in first:
                path = absolute(pair.path)
                first[key] = Cause(what, place + 1, self._new.created_by[place], path, *found)
        causes = [cause._replace(paths=counts[key]) for key, cause in first.items()]
        return sorted(causes, key=lambda cause: (_ORDER.index(cause.what), not cause.reason, -cause.paths))

    def _likely(self, pair: Pair, layers: tuple[DiffID, DiffID]) -> tuple[str, Likely]:
        """The most telling of the ways in which a path differs."""
        what, old, new = next(_ways(pair)), *_entries(pair)
        if old is None or new is None or what == "there":
            return what, likely.of_presence(pair.path, old, new)
        if what == CONTENT:
            return what, self._look(pair.path, layers, old, new)
        return what, likely.of_entries(what, old, new)

    def _look(self, path: bytes, layers: tuple[DiffID, DiffID], old: Entry, new: Entry) -> Likely:
        """The likely reason for another content; only the first files are read."""
        if self._read >= _READ or max(old.size, new.size) > likely.MAX_SIZE:
            return likely.of_sizes(path, old.size, new.size)
        self._read += 1
        with self._ctx.open_file(layers[0], path) as one, self._ctx.open_file(layers[1], path) as other:
            return likely.of_content(path, head(one, likely.MAX_SIZE), head(other, likely.MAX_SIZE))


def _entries(pair: Pair) -> tuple[Entry | None, Entry | None]:
    return (pair.old.entry if pair.old else None), (pair.new.entry if pair.new else None)


def _ways(pair: Pair) -> Iterator[str]:
    old, new = _entries(pair)
    if old is None or new is None or (old.kind is Kind.WHITEOUT) != (new.kind is Kind.WHITEOUT):
        yield "there"
    else:
        yield from sorted(differing(old, new), key=_ORDER.index)
        yield "hard link"


def _in_tars(ctx: Layers, old: State, new: State, place: int) -> Cause:
    """Of layers whose rows are the same: the tars have them in another order, or with other headers."""
    from lamina.insight.diff.tars import first_difference

    what, path, detail = first_difference(ctx, old.diff_ids[place], new.diff_ids[place])
    reason, advice = known.OF_TARS[what]
    return Cause(what, place + 1, new.created_by[place], path, detail, reason, advice)
