"""The layers of an image: what made each one, how large it is, and who else uses it (`lamina layers`)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb, layerdb, packed
from lamina.insight.config import config_of
from lamina.insight.history import size_of
from lamina.insight.images import label
from lamina.oci.digest import ChainID, chain_id
from lamina.oci.history import pair

if TYPE_CHECKING:
    from lamina.insight.rows import Rows
    from lamina.oci.digest import DiffID, ImageID


class LayerItem(NamedTuple):
    """One layer; `shared_with` names the other images that have the same changes in one of their layers."""

    number: int  # from 1, the bottom
    diff_id: str
    chain_id: str
    size: int  # bytes in its files
    created_by: str
    created: str
    shared_with: tuple[str, ...]
    folder: str  # where its files lie; "" when they are elsewhere
    places: tuple[str, ...] = ()  # the repositories, and folders, that have them then


def layers(rows: Rows, image_id: ImageID) -> list[LayerItem]:
    """The layers of an image, the bottom first."""
    config = config_of(rows, image_id)
    items: list[LayerItem] = []
    chain: ChainID | None = None
    for entry, diff_id in pair(config.history, config.diff_ids):
        if diff_id is None:
            continue
        chain = chain_id(chain, diff_id)
        items.append(
            LayerItem(
                len(items) + 1,
                diff_id,
                chain,
                size_of(rows, diff_id),
                entry.created_by,
                entry.created,
                shared_with(rows, diff_id, image_id),
                *_where(rows, diff_id),
            )
        )
    return items


def _where(rows: Rows, diff_id: DiffID) -> tuple[str, tuple[str, ...]]:
    """The folder of a layer, else the repositories that have it."""
    folder = rows.layout.diff_dir(diff_id)
    if os.path.isdir(folder):
        return folder, ()
    c = rows.connection
    blobs = [form.descriptor.digest for form in packed.forms(c, diff_id)]
    found = [place for blob in blobs for place in (*packed.places(c, blob), *packed.folders(c, blob))]
    return "", tuple(dict.fromkeys(found))


def shared_with(rows: Rows, diff_id: DiffID, image_id: ImageID) -> tuple[str, ...]:
    """The other images with a layer of these very changes, whatever lies below; named ones first."""
    users: set[ImageID] = set()
    for layer in layerdb.layers_using(rows.connection, diff_id):
        users.update(imagedb.images_with_layer(rows.connection, layer.chain_id))
    labels = [label(rows, user) for user in users - {image_id}]
    return tuple(sorted(labels, key=lambda name: (":" not in name, name)))
