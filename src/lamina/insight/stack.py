"""Stack: the layers of one image with what is known of each: the start of nearly every question.

What made a layer is what the image's history says, and what the records of builds say where they know it:
the Dockerfile, the line and the stage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb, layerdb
from lamina.db.origins import Origin, origins
from lamina.insight.baseimage import base_images
from lamina.insight.config import config_of
from lamina.insight.historylines import LinePlace, line_places
from lamina.insight.images import label
from lamina.oci.history import pair

if TYPE_CHECKING:
    from lamina.insight.baseimage import BaseImage
    from lamina.insight.rows import Rows
    from lamina.oci.config import History, ImageConfig
    from lamina.oci.digest import ChainID, DiffID, ImageID


class StackLayer(NamedTuple):
    """One layer of an image."""

    number: int  # from 1, the bottom
    diff_id: DiffID
    chain_id: ChainID
    size: int  # bytes in its files
    history: History  # the line that made it; an empty one where the history says nothing
    origin: Origin | None  # where that line stands, if a build of it, or of its base, is recorded
    base: str  # the base image that brought it, as it is called here; "" for a layer of the image's own

    @property
    def created_by(self) -> str:
        """The instruction on one line: as it is written where that is known, else as the history has it.

        Of one with a here-document the history has more. Where there is none (of an import, a squash) it is
        the history's comment in parentheses.
        """
        text = self.origin.text if self.origin else ""
        if not text or ("<<" in text and self.history.created_by):
            text = self.history.created_by
        if not text and self.history.comment:
            text = f"({self.history.comment})"
        return " ".join(text.split())

    @property
    def line(self) -> int:
        """Of the instruction in its Dockerfile, from 1; 0 where it is not known."""
        return self.origin.line if self.origin else 0


class Stack(NamedTuple):
    """An image and its layers, the bottom first."""

    image_id: ImageID
    name: str  # what to call it: its first name, else its short ID
    config: ImageConfig
    layers: tuple[StackLayer, ...]
    bases: tuple[BaseImage, ...] = ()  # the highest first

    @property
    def diff_ids(self) -> tuple[DiffID, ...]:
        """The bottom one first."""
        return self.config.diff_ids

    @property
    def base_layers(self) -> int:
        """How many of the lowest layers are known to be of a base image."""
        return sum(1 for layer in self.layers if layer.base)


def stack(rows: Rows, image_id: ImageID) -> Stack:
    """The layers of an image of the store. NotFound, Corrupt, InvalidInput."""
    c = rows.connection
    config = config_of(rows, image_id)
    chain = imagedb.layers_of(c, image_id)
    known = origins(c, chain)
    standing = base_images(rows, image_id, config)
    owners = [(base.layers, base.name) for base in reversed(standing)]
    where = line_places(rows, image_id, config.history, standing, recorded=True)
    where += [LinePlace()] * len(config.diff_ids)  # for layers that the history does not name
    pairs = zip(pair(config.history, config.diff_ids), where, strict=False)
    lines = [(line, place) for (line, diff_id), place in pairs if diff_id is not None]
    layers = []
    for number, (diff_id, chain_id, (line, place)) in enumerate(
        zip(config.diff_ids, chain, lines, strict=True), 1
    ):
        size = layerdb.need_diff(c, diff_id).size
        base = next((name for count, name in owners if number <= count), "")
        origin = known.get(chain_id) or _origin(place)
        layers.append(StackLayer(number, diff_id, chain_id, size, line, origin, base))
    return Stack(image_id, label(rows, image_id), config, tuple(layers), tuple(standing))


def _origin(place: LinePlace) -> Origin | None:
    """What is still known where the steps of the build are not."""
    return Origin("", place.dockerfile, "", "", place.line) if place.line else None
