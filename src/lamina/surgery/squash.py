"""squash: a range of layers becomes one; flatten: all of them do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.surgery.arrange import Spot, arrange
from lamina.surgery.parts import Parts, done

if TYPE_CHECKING:
    from lamina.layers.context import Layers
    from lamina.oci.digest import ImageID
    from lamina.surgery.net import Settled


def squash(
    ctx: Layers, parts: Parts, low: int, high: int, image_id: ImageID, created: str, what: str = ""
) -> Parts:
    """One layer in place of the layers `low` to `high` (from 1, both included), which does what they do.

    Their lines of history stay, without layers; a new one after them says `what` was done. Where it would be
    one layer only, nothing changes. Errors as of layers.rewrite.
    """
    if low >= high:
        return parts
    diff = arrange(ctx, parts.diff_ids, low, high, 1, _all)[0]
    first, last = parts.at(low), parts.at(high)
    lines = [line._replace(diff_id=None) for line in parts.lines[first : last + 1]]
    comment = f"layers {low}..{high} of {image_id}"
    line = done(what or f"lamina squash {low}..{high}", created, comment, diff.diff_id if diff else None)
    return parts._replace(lines=(*parts.lines[:first], *lines, line, *parts.lines[last + 1 :]))


def flatten(ctx: Layers, parts: Parts, image_id: ImageID, created: str) -> Parts:
    """One layer in place of all, the base's too. As `squash`."""
    return squash(ctx, parts, 1, len(parts.diff_ids), image_id, created, "lamina flatten")


def _all(_: Settled) -> Spot:
    return Spot(0, opaque=0)
