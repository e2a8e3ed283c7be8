"""Layers left out, in another order, or taken from another image: no layer itself becomes another one."""

from __future__ import annotations

from itertools import chain, combinations, islice
from typing import TYPE_CHECKING, NamedTuple

from lamina.db.versions import versions
from lamina.errors import Conflict, InvalidInput
from lamina.fs.failures import shown
from lamina.surgery.findings import Findings, gathered
from lamina.surgery.rebase import check, starting
from lamina.surgery.transplant import Transplant
from lamina.tree.commuting import opposed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID
    from lamina.surgery.parts import Parts
    from lamina.tree.entry import Entry

_MOST = 10  # paths that a message names
_PLACES = "layers may change places when they touch nothing in common"


class Bound(Conflict):
    """Two layers that may not change places. `paths` (some of them) are where they do not commute."""

    lower: int = 0
    upper: int = 0
    paths: tuple[str, ...] = ()


class Picked(NamedTuple):
    """An image of other layers, and what could break."""

    parts: Parts
    findings: Findings


def drop(ctx: Layers, parts: Parts, numbers: Collection[int], *, force: bool = False) -> Picked:
    """The image without these layers (from 1, the bottom), and without their lines of history.

    A layer may go when it commutes with all above it that stay: then nothing there rests on it. Bound where
    one does; `force` leaves it out all the same. InvalidInput when no layer would be left.
    """
    count = len(parts.diff_ids)
    if len(set(numbers)) == count:
        raise InvalidInput("no layer would be left of the image")
    if not force:
        for lower in sorted(set(numbers), reverse=True):
            for upper in range(lower + 1, count + 1):
                if upper not in numbers:
                    _demand(ctx, parts.diff_ids, lower, upper, "--force leaves it out all the same")
    gone = {parts.at(number) for number in numbers}
    rest = parts._replace(lines=tuple([line for at, line in enumerate(parts.lines) if at not in gone]))
    below = min(numbers) - 1
    lost = tuple([each for at, each in enumerate(parts.diff_ids, 1) if at in numbers])
    start, config = parts.diff_ids[:below], parts.config.config
    it = Transplant(start + lost, start, rest.diff_ids[below:], config, config)
    return Picked(rest, gathered(chain(starting(ctx, it), check(ctx, it))))


def reorder(ctx: Layers, parts: Parts, numbers: Sequence[int]) -> Parts:
    """The image with these layers in this order (the bottom first), at the places that they have now.

    Bound where two that would change places do not commute. InvalidInput for a layer named twice.
    """
    if len(set(numbers)) != len(numbers):
        raise InvalidInput("a layer is named twice")
    order = list(range(1, len(parts.diff_ids) + 1))
    for place, number in zip(sorted(numbers), numbers, strict=True):
        order[place - 1] = number
    for first, second in combinations(order, 2):
        if first > second:
            _demand(ctx, parts.diff_ids, second, first, _PLACES)
    lines = list(parts.lines)
    for place, number in enumerate(order, 1):
        lines[parts.at(place)] = parts.lines[parts.at(number)]
    return parts._replace(lines=tuple(lines))


def cherry_pick(ctx: Layers, source: Parts, numbers: Sequence[int], onto: Parts) -> Picked:
    """`onto` with these layers of another image on top, in this order; its config stays as it is.

    InvalidInput for a layer named twice.
    """
    if len(set(numbers)) != len(numbers):
        raise InvalidInput("a layer is named twice")
    lines = tuple([source.lines[source.at(number)] for number in numbers])
    moved = tuple([line.diff_id for line in lines if line.diff_id is not None])
    below = [each for at, each in enumerate(source.diff_ids[: max(numbers)], 1) if at not in numbers]
    it = Transplant(tuple(below), onto.diff_ids, moved, source.config.config, onto.config.config)
    return Picked(onto._replace(lines=onto.lines + lines), gathered(check(ctx, it)))


def _demand(ctx: Layers, diff_ids: Sequence[DiffID], lower: int, upper: int, hint: str) -> None:
    """Bound when two layers do not commute."""
    found = opposed(_rows(ctx, diff_ids[lower - 1]), _rows(ctx, diff_ids[upper - 1]))
    paths = [shown(b"/" + path) for path in islice(found, _MOST + 1)]
    if paths:
        listed = ", ".join(paths[:_MOST]) + (", ..." if len(paths) > _MOST else "")
        error = Bound(f"layer {upper} rests on layer {lower}: both touch {listed}", hint=hint)
        error.lower, error.upper, error.paths = lower, upper, tuple(paths[:_MOST])
        raise error


def _rows(ctx: Layers, diff_id: DiffID) -> Iterator[Entry]:
    for found in versions(ctx.db.read(), [diff_id]):
        entry = found.versions[0].entry
        if entry is not None:
            yield entry
