"""The layers of an image: what made each one, what it did, and who else uses it (`lamina layers`)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb, layerdb, packed
from lamina.insight.counts import Counts, counts
from lamina.insight.images import label
from lamina.insight.stack import stack

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
    instruction: str = ""  # as it is written, where that is known; else created_by, else "(comment)"
    dockerfile: str = ""  # where that line stands, if a build of it is recorded
    line: int = 0  # from 1; 0 where it is not known
    stage: str = ""
    base: str = ""  # the base image that brought it; "" for a layer of the image's own
    added: int = 0  # paths
    changed: int = 0
    deleted: int = 0


def layers(rows: Rows, image_id: ImageID, *, counted: bool = True) -> list[LayerItem]:
    """The layers of an image, the bottom first. Without `counted` no paths are counted."""
    c = rows.connection
    found = stack(rows, image_id)
    done = counts(c, found.diff_ids) if counted else [Counts()] * len(found.layers)
    shared = _Shared(rows, image_id)
    items = []
    for layer, (added, changed, deleted) in zip(found.layers, done, strict=True):
        origin = layer.origin
        items.append(
            LayerItem(
                layer.number,
                layer.diff_id,
                layer.chain_id,
                layer.size,
                layer.history.created_by,
                layer.history.created,
                shared.with_layer(layer.diff_id),
                *_where(rows, layer.diff_id),
                layer.created_by,
                origin.dockerfile if origin else "",
                layer.line,
                origin.stage if origin else "",
                layer.base,
                added,
                changed,
                deleted,
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


class _Shared:
    """Who else has a layer; names of images are looked up once."""

    def __init__(self, rows: Rows, image_id: ImageID) -> None:
        self._rows = rows
        self._image_id = image_id
        self._labels: dict[ImageID, str] = {}

    def with_layer(self, diff_id: DiffID) -> tuple[str, ...]:
        """The other images with a layer of these very changes, whatever lies below; named ones first."""
        users: set[ImageID] = set()
        for layer in layerdb.layers_using(self._rows.connection, diff_id):
            users.update(imagedb.images_with_layer(self._rows.connection, layer.chain_id))
        labels = [self._label(user) for user in users - {self._image_id}]
        return tuple(sorted(labels, key=lambda name: (":" not in name, name)))

    def _label(self, image_id: ImageID) -> str:
        if image_id not in self._labels:
            self._labels[image_id] = label(self._rows, image_id)
        return self._labels[image_id]
