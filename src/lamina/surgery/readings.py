"""Readings: whether the steps that made the moved layers would find the same in the stack below them now.

Known for layers that were built here and traced. Then more can be said than that nothing breaks: a build on
the new base has nothing to read that would make it another layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import traces
from lamina.errors import Corrupt
from lamina.fs.failures import shown
from lamina.layers.readsets import differences
from lamina.surgery.findings import Finding, Weight
from lamina.tree.readset import unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lamina.layers.context import Layers
    from lamina.surgery.transplant import Transplant
    from lamina.tree.readset import Observed

_SHOWN = 3  # paths that are named
_KIND = "rebuild"


def readings(ctx: Layers, it: Transplant) -> Iterator[Finding]:
    """For the traced layers (numbered as on the new stack) whether what their steps read is as it was."""
    if it.old == it.new:
        return
    same = []
    for number in range(len(it.moved)):
        differing = _differing(ctx, it, number)
        if differing == []:
            same.append(len(it.new) + number + 1)
        elif differing:
            text = f"layer {len(it.new) + number + 1} read {_named(differing)} when it was built"
            yield Finding(Weight.NOTE, _KIND, "", f"{text}: changed, so a build may give another layer")
    if same:
        layers = f"layer {same[0]}" if len(same) == 1 else f"layers {', '.join(map(str, same))}"
        text = f"what {layers} read when built is as it was: a build would find the same"
        yield Finding(Weight.NOTE, _KIND, "", text)


def _differing(ctx: Layers, it: Transplant, number: int) -> list[Observed] | None:
    """What the newest traced run that made a layer would find otherwise; None where nobody knows."""
    chain = (*it.new, *it.moved[:number])[::-1]
    for trace in traces.of_layer(ctx.db.read(), it.moved[number]):
        if trace.read_set is not None:
            try:
                return differences(ctx, chain, unpack(trace.read_set))
            except Corrupt:  # it only would have been good to know
                return None
    return None


def _named(differing: Sequence[Observed]) -> str:
    """Files rather than the folders that were listed."""
    paths = [each.path for each in differing if not each.listed] or [each.path for each in differing]
    more = f" and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
    return ", ".join(shown(b"/" + path) for path in paths[:_SHOWN]) + more
