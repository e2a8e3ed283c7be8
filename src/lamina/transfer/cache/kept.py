"""Kept files: the content of the few small files that builds ask for most, in the listing of their layer.

Whom a USER or a --chown names is told by etc/passwd and etc/group. With these beside the rows of a layer that
is elsewhere nobody has to fetch it only to find that out (layers.absent.open_kept).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from lamina.errors import LaminaError
from lamina.layers.absent import is_here
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID
    from lamina.tree.entry import Entry

PATHS = frozenset({b"etc/passwd", b"etc/group"})
MOST = 64 << 10  # bytes of one


def is_kept(entry: Entry) -> bool:
    """Whether the content of an entry goes with its row."""
    return entry.path in PATHS and entry.kind is Kind.FILE and 0 < entry.size <= MOST


def read_kept(ctx: Layers, diff_id: DiffID, entries: Iterable[Entry]) -> dict[bytes, bytes]:
    """The content of those files of a layer that are kept, by their paths; {} when it is not here."""
    found: dict[bytes, bytes] = {}
    if not is_here(ctx, diff_id):
        return found
    for entry in entries:
        if is_kept(entry):
            try:
                with ctx.open_file(diff_id, entry.path) as file:
                    data = file.read(MOST)
            except (LaminaError, OSError):
                continue
            if is_content(entry, data):
                found[entry.path] = data
    return found


def is_content(entry: Entry, data: bytes) -> bool:
    """Whether this is what the row of a kept file speaks of."""
    return is_kept(entry) and hashlib.sha256(data).hexdigest() == entry.digest


def put_kept(ctx: Layers, kept: Mapping[bytes, bytes]) -> None:
    """Puts the content of kept files where `open_kept` finds it. NoSpace."""
    for data in kept.values():
        ctx.blobs.put(data)
