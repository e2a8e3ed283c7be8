"""export: a container's whole file system as one tar."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from lamina.containers import creating, state
from lamina.containers.commit import capture_layer
from lamina.layers.lookup import Lookup
from lamina.transfer.merged import write_merged

if TYPE_CHECKING:
    from lamina.containers.context import Containers


def export(ctx: Containers, name: str, sink: BinaryIO) -> None:
    """Writes the image's files with the container's changes over them, sorted by path. NotFound.

    The changes become a layer first, so that owners and times are those that `commit` would give; nothing
    refers to it, and the next `prune` takes it away.
    """
    row = state.find(ctx, name)
    diff = capture_layer(ctx, row)
    write_merged(ctx.layers, Lookup(ctx.layers, (diff.diff_id, *creating.diffs(ctx, row))), sink.write)
