"""The names of users and groups, as the image's own /etc/passwd and /etc/group have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput, NotFound
from lamina.fs.reading import head
from lamina.sandbox.accounts import numbers
from lamina.tree.entry import FILES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.insight.files.merged import Merged
    from lamina.layers.context import Layers

_MOST = 1 << 20  # bytes of each table that are read


class Owners(NamedTuple):
    """IDs by their names."""

    users: Mapping[str, int] = {}
    groups: Mapping[str, int] = {}


def owners(ctx: Layers, merged: Merged) -> Owners:
    """Those of this state of the image; none where a table is not there. Errors as of layers.absent.bring."""
    return Owners(_ids(ctx, merged, b"etc/passwd"), _ids(ctx, merged, b"etc/group"))


def _ids(ctx: Layers, merged: Merged, path: bytes) -> dict[str, int]:
    """Of several names for an ID, and of several IDs for a name, the first one counts."""
    try:
        found = merged.need(path)
    except (NotFound, InvalidInput):  # a loop of links
        return {}
    if found.entry.kind not in FILES:
        return {}
    with ctx.open_file(merged.diff_ids[found.layer - 1], found.entry.path) as file:
        return numbers(head(file, _MOST))
