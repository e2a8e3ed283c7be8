"""capture: what a process changed in its writable layer, as a committed layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.db.layerdb import Diff
    from lamina.layers.commit import Also
    from lamina.layers.context import Layers
    from lamina.layers.lookup import Lookup
    from lamina.snapshot.protocol import Snapshotter


def capture(
    ctx: Layers,
    snapshotter: Snapshotter,
    key: str,
    parent: Lookup,
    *,
    stubs: Iterable[bytes] = (),
    keep: bool = False,
    also: Also | None = None,
) -> Diff:
    """Commits the active snapshot `key` (gone afterwards, unless `keep`) as a layer over `parent`.

    `stubs` are mount points that the sandbox made; those still empty are left out.
    """
    raise NotImplementedError
