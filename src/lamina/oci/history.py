"""Which line of an image's history made which layer (image-spec config.md, `history`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.oci.config import History

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.oci.digest import DiffID


def pair(entries: Iterable[History], layers: Iterable[DiffID]) -> list[tuple[History, DiffID | None]]:
    """Each entry with the layer that it made: one that is not empty_layer takes the next layer.

    Histories of others can be short, long or absent: an entry too many has no layer, a layer too many has
    an empty entry.
    """
    rest = list(layers)[::-1]
    pairs: list[tuple[History, DiffID | None]] = [
        (entry, rest.pop() if rest and not entry.empty_layer else None) for entry in entries
    ]
    return pairs + [(History(), diff_id) for diff_id in reversed(rest)]
