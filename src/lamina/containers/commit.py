"""commit: a container's changes as the top layer of a new image."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.containers import creating, state
from lamina.containers.settings import parse
from lamina.layers.capture import capture
from lamina.layers.clock import now
from lamina.layers.lookup import EMPTY_DIFF, Lookup
from lamina.oci import reference
from lamina.oci.config import History, RootFS
from lamina.transfer.changes import apply_changes
from lamina.transfer.register import register_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.containers.context import Containers
    from lamina.db.containerdb import Container
    from lamina.db.layerdb import Diff
    from lamina.oci.digest import ImageID


def commit(
    ctx: Containers,
    name: str,
    tag: str | None = None,
    *,
    message: str = "",
    author: str = "",
    changes: Sequence[str] = (),
) -> ImageID:
    """Makes an image of what the container is now; it runs on, if it runs. NotFound, InvalidInput.

    As in Docker the image's config is the container's: a command given to `run` becomes the image's.
    """
    row = state.find(ctx, name)
    base = creating.image_config(ctx, row.image_id)
    config = parse(row.config_json).config
    # What is wrong with these is said before the layer is made.
    tags = [str(reference.parse_tagged(tag))] if tag else []
    config = apply_changes(base._replace(config=config), changes).config
    diff = capture_layer(ctx, row)
    is_empty = diff.diff_id == EMPTY_DIFF
    created = now()
    line = History(created, " ".join(parse(row.config_json).args), author, message, is_empty)
    diff_ids = base.diff_ids if is_empty else (*base.diff_ids, diff.diff_id)
    image = base._replace(
        config=config,
        created=created,
        author=author,
        rootfs=RootFS(diff_ids),
        history=(*base.history, line),
    )
    return register_image(ctx.layers, image, diff_ids, tags).image_id


def capture_layer(ctx: Containers, row: Container) -> Diff:
    """The container's changes as a layer of the store; the container keeps them."""
    parent = Lookup(ctx.layers, creating.diffs(ctx, row))
    stubs = [os.fsencode(stub) for stub in parse(row.config_json).stubs]
    return capture(ctx.layers, creating.snapshotter_of(ctx, row), row.id, parent, stubs=stubs, keep=True)
