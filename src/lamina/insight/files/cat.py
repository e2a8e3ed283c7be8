"""cat: the content of a file of an image; the layer that has it is fetched when it is elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.errors import InvalidInput
from lamina.fs.failures import shown
from lamina.tree.entry import FILES, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.insight.files.merged import Merged
    from lamina.layers.context import Layers

_PIECE = 1 << 20


def cat(ctx: Layers, merged: Merged, path: bytes, write: Callable[[bytes], object]) -> int:
    """Writes the file at `path`, links followed; how many bytes. NotFound, InvalidInput, Corrupt."""
    found = merged.need(path)
    kind = found.entry.kind
    if kind is Kind.DIR:
        raise InvalidInput(f"{_name(path)}: is a directory", hint="`lamina ls` shows what is in it")
    if kind not in FILES:
        raise InvalidInput(f"{_name(path)}: is no regular file, but of type {kind}: it has no content")
    size = 0
    with ctx.open_file(merged.diff_ids[found.layer - 1], found.entry.path) as file:
        while data := file.read(_PIECE):
            write(data)
            size += len(data)
    return size


def _name(path: bytes) -> str:
    return shown(b"/" + path.lstrip(b"/"))
