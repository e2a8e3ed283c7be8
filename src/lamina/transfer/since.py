"""`save --since` and its `load`: archives without the layers of images that the other side has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.archive.since import Since
from lamina.db import indexdb, layerdb
from lamina.errors import NotFound
from lamina.oci import config as configs
from lamina.oci import reference as references
from lamina.transfer.find import choose
from lamina.transfer.image_view import read_config

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.archive.image import ArchivedImage, ArchivedLayer
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID, ImageID
    from lamina.oci.platform import Platform
    from lamina.transfer.find import Chosen

_SHOWN = 5  # layers that a message names


def layers_since(
    ctx: Layers, texts: Sequence[str], chosen: Sequence[Chosen], platform: Platform | None
) -> list[Since]:
    """What to leave out of an archive of `chosen`: the layers of the images that `texts` name.

    Each layer stands with the first image that has it; images that have none of them are left out. NotFound.
    """
    wanted = {layer for image_id in _images(ctx, chosen) for layer in _diff_ids(ctx, image_id)}
    found = []
    for text in texts:
        for base in choose(ctx, [text], platform):
            name = references.parse(base.names[0]).familiar() if base.names else base.image_id
            layers = [layer for image in _images(ctx, [base]) for layer in _diff_ids(ctx, image)]
            shared = [layer for layer in dict.fromkeys(layers) if layer in wanted]
            wanted.difference_update(shared)
            if shared:
                found.append(Since(name, base.image_id, tuple(shared)))
    return found


def check_here(ctx: Layers, images: Iterable[ArchivedImage]) -> None:
    """NotFound when an archive leaves out a layer that the store has not; it says of which image it is."""
    c = ctx.db.read()
    missing: dict[str, list[DiffID]] = {}
    for layer in dict.fromkeys(layer for image in images for layer in layers_of(image)):
        if layer.elsewhere and layerdb.get_diff(c, layer.diff_id) is None:
            missing.setdefault(layer.elsewhere, []).append(layer.diff_id)
    if missing:
        words = [_words(name, list(dict.fromkeys(layers))) for name, layers in missing.items()]
        names = " and ".join(missing)
        raise NotFound(
            "the archive leaves out layers that the store lacks: " + "; ".join(words),
            hint=f"pull or load {names} first; or save without --since",
        )


def layers_of(image: ArchivedImage) -> list[ArchivedLayer]:
    """All layers of what one name in an archive stands for."""
    return [layer for each in (image.whole.images if image.whole else (image,)) for layer in each.layers]


def _words(name: str, layers: Sequence[DiffID]) -> str:
    shown = ", ".join(each[:19] for each in layers[:_SHOWN])
    more = f" and {len(layers) - _SHOWN} more" if len(layers) > _SHOWN else ""
    return f"{shown}{more} of {name}"


def _images(ctx: Layers, chosen: Iterable[Chosen]) -> list[ImageID]:
    """The images that names stand for, of an index all that the store has."""
    found: dict[ImageID, None] = {}
    for each in chosen:
        found[each.image_id] = None
        if each.index_digest is not None:
            members = indexdb.members(ctx.db.read(), each.index_digest)
            found.update(dict.fromkeys(member.image_id for member in members))
    return list(found)


def _diff_ids(ctx: Layers, image_id: ImageID) -> tuple[DiffID, ...]:
    return configs.parse(read_config(ctx, image_id)).diff_ids
