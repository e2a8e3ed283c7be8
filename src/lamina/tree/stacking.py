"""Stacking: what two layers, one on the other, do to a path together; what surgery.net is made of. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.tree.entry import Kind

if TYPE_CHECKING:
    from lamina.tree.entry import Entry


def over(lower: Entry | None, upper: Entry) -> Entry:
    """What two layers do to one path together: `upper` is the upper one's entry, `lower` that of the other.

    A folder hides what the layers below both have in it when one of them hides that, in whatever way.
    """
    if upper.kind is not Kind.DIR or upper.opaque or lower is None:
        return upper
    hides = lower.kind is not Kind.DIR or lower.opaque
    return upper._replace(opaque=True) if hides else upper
