"""pack: a committed layer as the tar that its diff ID names."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID


def pack(ctx: Layers, diff_id: DiffID, sink: Callable[[bytes], object]) -> int:
    """Writes the uncompressed tar of a layer to `sink`; returns its size in bytes.

    Corrupt when what was written is not what `diff_id` names; the sink has most of it by then.
    """
    raise NotImplementedError


def open_packed(ctx: Layers, diff_id: DiffID) -> BinaryIO:
    """The same as a stream to read from; the last read raises Corrupt when the bytes are not right."""
    raise NotImplementedError
