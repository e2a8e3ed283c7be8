"""Parts: an image taken apart into its config and its layers, each with its line of history.

Every operation is a function from Parts to Parts; it writes the layers that it makes (layers.rewrite), and
the new lines of history say what was done, of which image. `put_together` makes the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.oci import config as configs
from lamina.oci.config import History, RootFS
from lamina.oci.digest import Digest
from lamina.oci.history import pair
from lamina.transfer.register import register_image

if TYPE_CHECKING:
    from lamina.db.imagedb import ImageRow
    from lamina.layers.context import Layers
    from lamina.oci.config import ImageConfig
    from lamina.oci.digest import DiffID, ImageID


class Line(NamedTuple):
    """One line of history, and the layer that it made, if it made one."""

    history: History
    diff_id: DiffID | None = None


class Parts(NamedTuple):
    """An image in parts. The rootfs and the history of `config` do not count, `lines` do.

    `annotations` are what its manifest says from now on beside what it said; () nothing new.
    """

    config: ImageConfig
    lines: tuple[Line, ...]
    annotations: tuple[tuple[str, str], ...] = ()

    @property
    def diff_ids(self) -> tuple[DiffID, ...]:
        """The layers, the bottom first."""
        return tuple([line.diff_id for line in self.lines if line.diff_id is not None])

    def at(self, number: int) -> int:
        """Where the line of a layer (from 1, the bottom) stands in `lines`."""
        places = [place for place, line in enumerate(self.lines) if line.diff_id is not None]
        return places[number - 1]


def take_apart(ctx: Layers, image_id: ImageID) -> Parts:
    """An image of the store in parts; layers that its history does not name have an empty line. Corrupt."""
    config = configs.parse(ctx.blobs.read(Digest(image_id), configs.MAX_SIZE))
    return Parts(config, tuple([Line(*each) for each in pair(config.history, config.diff_ids)]))


def done(what: str, created: str, comment: str = "", diff_id: DiffID | None = None) -> Line:
    """The line of history that says what Lamina did: `what` is the command, `comment` from what."""
    return Line(History(created, what, comment=comment, empty_layer=diff_id is None), diff_id)


def whole(parts: Parts, created: str) -> ImageConfig:
    """The config of the image to be; `created` (RFC 3339) is its time, "" leaves the old one."""
    history = [line.history._replace(empty_layer=line.diff_id is None) for line in parts.lines]
    return parts.config._replace(
        rootfs=RootFS(parts.diff_ids), history=tuple(history), created=created or parts.config.created
    )


def put_together(ctx: Layers, parts: Parts, created: str) -> ImageRow:
    """Makes the image, whose layers are in the store; it has no name yet. Errors as of register_image."""
    config = whole(parts, created)
    return register_image(ctx, config, config.diff_ids)
