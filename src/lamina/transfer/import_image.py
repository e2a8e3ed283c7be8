"""import_: a tar of a root file system as an image of one layer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from lamina.layers.apply import apply_layer
from lamina.layers.clock import now
from lamina.oci import platform as platforms
from lamina.oci import reference as references
from lamina.oci.config import History, ImageConfig, RootFS
from lamina.transfer.changes import apply_changes
from lamina.transfer.register import register_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.db.imagedb import ImageRow
    from lamina.layers.context import Layers
    from lamina.oci.platform import Platform


def import_(
    ctx: Layers,
    stream: BinaryIO,
    *,
    changes: Sequence[str] = (),
    message: str = "",
    tag: str = "",
    platform: Platform | None = None,
) -> ImageRow:
    """Makes an image of a tar, plain or compressed; `changes` are instructions for its config.

    `message` is the comment in its history; `tag` its name, "" for none. InvalidInput for a bad name,
    instruction or archive; Denied, NoSpace. After an error the store is as before.
    """
    tags = (str(references.parse_tagged(tag)),) if tag else ()
    made = platform or platforms.host(os.uname().machine)
    created = now()
    line = History(created=created, comment=message or "Imported from -")
    config = ImageConfig(made.architecture, made.os, history=(line,), created=created, variant=made.variant)
    config = apply_changes(config, changes)  # before the tar is read: it may be long
    diff = apply_layer(ctx, stream)
    return register_image(ctx, config._replace(rootfs=RootFS((diff.diff_id,))), (diff.diff_id,), tags)
