"""apply_layer: a layer archive made by somebody else, verified and bounded, into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from lamina.db.layerdb import Diff
    from lamina.layers.commit import Also
    from lamina.layers.context import Layers
    from lamina.oci.digest import Digest, DiffID


def apply_layer(
    ctx: Layers,
    stream: BinaryIO,
    *,
    diff_id: DiffID | None = None,
    blob: Digest | None = None,
    media_type: str = "",
    also: Also | None = None,
) -> Diff:
    """Reads a layer blob (tar, plain or compressed) and commits it; the blob is kept as received.

    `diff_id` and `blob` are what the archive and the blob must hash to (None: not known before).
    Corrupt when they do not; InvalidInput when the archive is broken or hostile; Denied when it needs root.
    """
    raise NotImplementedError
