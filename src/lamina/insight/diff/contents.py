"""What files contained, on both sides, for those who compare more than digests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

from lamina.fs.reading import head
from lamina.insight.diff.patch import MAX_SIZE, NONE, Content, is_text
from lamina.layers.absent import absent
from lamina.layers.difffiles import open_in_diff

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.insight.diff.change import FileFacts
    from lamina.insight.states import State
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID

Item = TypeVar("Item")


def at_rest(ctx: Layers, diff_ids: Iterable[DiffID], found: Iterable[Item]) -> Iterable[Item]:
    """`found`, which rows are still read for; all of it at once where a look at a file may have to fetch it.

    What is fetched is written to the database, and that does not go well with rows being read.
    """
    return list(found) if absent(ctx, diff_ids) else found


def text_of(ctx: Layers, state: State, path: str, facts: FileFacts | None) -> Content:
    """The text of a file, the target of a link; brings absent layers. Errors as of open_in_diff."""
    if facts is None:
        return NONE
    if facts.type == "l":
        return Content(os.fsencode(facts.link))
    if facts.type != "f":
        return Content(None)
    if facts.size > MAX_SIZE:
        return Content(None, f"over {MAX_SIZE >> 20} MiB: not compared")
    diff_id = state.diff_ids[facts.layer - 1]
    with open_in_diff(ctx, diff_id, os.fsencode(path).lstrip(b"/")) as stream:
        data = head(stream, MAX_SIZE)
    return Content(data) if is_text(data) else Content(None)
