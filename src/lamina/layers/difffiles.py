"""The content of files in a layer's folder; paths are walked from a descriptor, so links lead nowhere."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, BinaryIO, cast

from lamina.errors import Corrupt
from lamina.fs.failures import shown
from lamina.fs.folders import Folders
from lamina.fs.walk import open_file
from lamina.layers.absent import bring, is_here, open_kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID
    from lamina.tree.entry import Entry

_CHUNK = 1 << 18
_LONG = 2048  # bytes of a path that always fit after that of the layer


def open_in_diff(ctx: Layers, diff_id: DiffID, path: bytes) -> BinaryIO:
    """Opens one file of a committed layer, unbuffered; brings the layer if it is absent.

    Corrupt when the file is not there; errors as of layers.absent.bring.
    """
    try:
        return _opened(ctx, diff_id, path)
    except OSError as error:
        if error.errno == errno.ENOENT and not is_here(ctx, diff_id):
            return open_kept(ctx, diff_id, path) or _brought(ctx, diff_id, path)
        raise Corrupt(f"layer {diff_id} lacks its file {shown(path)}: {error.strerror}") from error


def _opened(ctx: Layers, diff_id: DiffID, path: bytes) -> BinaryIO:
    # Nobody else writes below diff/, so a plain path is safe there; one that is too long goes by parts.
    if len(path) < _LONG:
        name = os.path.join(os.fsencode(ctx.layout.diff_dir(diff_id)), path)
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    else:
        with Folders(ctx.layout.diff_dir(diff_id)) as folders:
            fd = open_file(folders, path)
    return cast("BinaryIO", open(fd, "rb", buffering=0))


def _brought(ctx: Layers, diff_id: DiffID, path: bytes) -> BinaryIO:
    bring(ctx, [diff_id])
    return open_in_diff(ctx, diff_id, path)


def content(folders: Folders, entry: Entry) -> Iterator[bytes]:
    """The content of a FILE in pieces. Corrupt when its size is not that of its entry; OSError."""
    left = entry.size
    fd = open_file(folders, entry.path)
    try:
        while left >= 0 and (chunk := os.read(fd, _CHUNK)):
            left -= len(chunk)
            if left >= 0:
                yield chunk
    finally:
        os.close(fd)
    if left:
        raise Corrupt(f"{shown(entry.path)} has another size than the {entry.size} bytes it should have")
