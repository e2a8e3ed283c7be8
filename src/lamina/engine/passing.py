"""Passing images: without a name, made for one container of a moment, and gone with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import containerdb, imagedb, indexdb, leases
from lamina.oci.digest import sha256
from lamina.store.lease import alive

if TYPE_CHECKING:
    import sqlite3

    from lamina.engine.opened import Opened
    from lamina.layers.context import Layers
    from lamina.oci.config import ImageConfig
    from lamina.oci.digest import ImageID


def make_image(ctx: Layers, config: ImageConfig) -> ImageID:
    """An image of layers of the store; our lease holds it until `remove_image`."""
    from lamina.transfer.register import register_image

    data = config.to_bytes()
    with ctx.db.write(durable=False) as tx:  # first, so that nobody else who made the same takes it away
        leases.hold(tx, ctx.lease.id, leases.IMAGE, sha256(data))
    return register_image(ctx, data, config.diff_ids).image_id


def remove_image(opened: Opened, image_id: ImageID) -> None:
    """The container is gone, and so goes the image that only it needed; its blobs are a sweep's."""
    with opened.ctx.db.write(durable=False) as tx:
        named = imagedb.tags(tx, image_id) or indexdb.indexes_with(tx, image_id)
        if not named and not containerdb.using_image(tx, image_id) and not _is_held(opened, tx, image_id):
            imagedb.delete_image(tx, image_id)


def _is_held(opened: Opened, tx: sqlite3.Connection, image_id: ImageID) -> bool:
    """Whether another process is about to make a container of it."""
    wanted, ctx = (leases.IMAGE, image_id), opened.ctx
    others = {hold.lease for hold in leases.held(tx) if (hold.kind, hold.name) == wanted} - {ctx.lease.id}
    return any(alive(ctx.layout, other) for other in others)
