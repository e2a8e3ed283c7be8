"""Images of a few small layers, for questions about what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.layers.write import LayerItem, write_layer
from lamina.oci.config import ContainerConfig, History, ImageConfig, RootFS
from lamina.transfer.register import register_image
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.layers.context import Layers
    from lamina.oci.digest import ImageID

GONE = object()  # a file that a layer deletes
MOMENT = "2024-01-01T00:00:00Z"


def link(target: str) -> tuple[str]:
    """A symbolic link, as content."""
    return (target,)


def image(ctx: Layers, *layers: Mapping[str, object], tag: str = "app") -> ImageID:
    """An image of these layers, bottom first: by path bytes or text, None for a folder, `link`, or GONE.

    The layers were made by "step 1", "step 2", ...
    """
    diff_ids = [write_layer(ctx, [_item(*each) for each in layer.items()]).diff_id for layer in layers]
    history = tuple(History(MOMENT, f"step {number + 1}") for number in range(len(layers)))
    config = ImageConfig("amd64", "linux", RootFS(tuple(diff_ids)), ContainerConfig(), history, MOMENT)
    return register_image(ctx, config, diff_ids, [tag]).image_id


def _item(path: str, content: object) -> LayerItem:
    name = path.encode()
    if content is None:
        return LayerItem(Entry(name, Kind.DIR))
    if content is GONE:
        return LayerItem(Entry(name, Kind.WHITEOUT))
    if isinstance(content, tuple):
        return LayerItem(Entry(name, Kind.SYMLINK, 0o777, link=content[0].encode()))
    data = content.encode() if isinstance(content, str) else content
    assert isinstance(data, bytes)
    return LayerItem(Entry(name, Kind.FILE, 0o644, size=len(data)), data)
