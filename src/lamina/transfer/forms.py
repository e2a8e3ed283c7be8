"""Forms: as which blobs a repository is known to have layers; noted only where somebody here has looked.

A manifest may call any blob a layer of ours. Were that believed, the next push would send it as that layer.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from lamina.archive.compression import CHUNK, decompressed
from lamina.db import layerdb, packed
from lamina.errors import Corrupt, InvalidInput
from lamina.oci.digest import short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.db.layerdb import Diff
    from lamina.layers.context import Layers
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import Digest
    from lamina.oci.reference import Reference
    from lamina.transfer.incoming import Wanted


def is_form(ctx: Layers, diff: Diff, descriptor: Descriptor) -> bool:
    """Whether a blob was seen to hold a layer."""
    if descriptor.digest in (diff.diff_id, diff.blob):
        return True
    known = packed.forms(ctx.db.read(), diff.diff_id)
    return any(form.descriptor.digest == descriptor.digest for form in known)


def note_forms(ctx: Layers, reference: Reference, layers: Sequence[Wanted], config: Digest) -> None:
    """Notes in which form each layer came from a repository. Corrupt for a blob that holds another one."""
    for layer in layers:
        diff = layerdb.need_diff(ctx.db.read(), layer.diff_id)
        if not is_form(ctx, diff, layer.descriptor):  # the layer was here, and was not unpacked again
            _check(ctx, reference, layer)
    with ctx.db.write(durable=False) as tx:
        for descriptor, diff_id in layers:
            packed.put(tx, packed.Packed(diff_id, descriptor), reference.name)
        packed.put_place(tx, config, reference.name)


def _check(ctx: Layers, reference: Reference, layer: Wanted) -> None:
    digest = hashlib.sha256()
    shown = f"layer {short(layer.descriptor.digest)} of {reference.familiar()}"
    try:
        with ctx.blobs.open(layer.descriptor.digest) as blob, decompressed(blob)[0] as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
    except (Corrupt, InvalidInput) as error:
        raise type(error)(f"{shown}: {error.message}", hint=error.hint) from None
    found = "sha256:" + digest.hexdigest()
    if found != layer.diff_id:
        raise Corrupt(f"{shown}: a layer's archive is {found}, and should be {layer.diff_id}")
