"""Inline caches: the keys of an image's own steps, inside of its config, for who has only the image.

Only what is the same in each build of the same things is in there, so the image ID is as reproducible as it
was. There are no file rows: a layer whose step is hit is fetched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import cachedb, layerdb
from lamina.db import packed as forms
from lamina.db.cachedb import Step
from lamina.db.packed import Packed
from lamina.errors import InvalidInput
from lamina.oci import digest as digests
from lamina.oci.manifest import Index, Manifest, parse_manifest
from lamina.transfer.pullable import check, choose, config_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.events import Observer
    from lamina.layers.context import Layers
    from lamina.oci.config import ImageConfig
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import DiffID
    from lamina.oci.platform import Platform
    from lamina.transfer.cache.opening import Sought
    from lamina.transfer.cache.places import CachePlace

KEY = "lamina.cache.v1"  # of the config


def marked(config: ImageConfig, keys: Sequence[str]) -> ImageConfig:
    """The config with a key for each of its layers ("" for none), or without any."""
    extra = {name: value for name, value in config.extra.items() if name != KEY}
    if any(keys):
        extra[KEY] = {"keys": list(keys)}
    return config._replace(extra=extra)


def keys_of(config: ImageConfig) -> dict[str, int]:
    """The positions of layers by the keys of the steps that made them. InvalidInput."""
    value = config.extra.get(KEY)
    if value is None:
        return {}
    keys = value.get("keys") if type(value) is dict else None
    if type(keys) is not list or len(keys) != len(config.diff_ids):
        raise InvalidInput("its cache has other layers than the image")
    return {digests.parse(str(key)): position for position, key in enumerate(keys) if key != ""}


def open_inline(
    ctx: Layers,
    place: CachePlace,
    document: Manifest | Index,
    platform: Platform,
    tell: Observer,
) -> InlineCache | None:
    """The cache inside of an image (of an index, that for `platform`); None when it has none."""
    if isinstance(document, Index):
        descriptor = choose(document, platform, place.shown)
        document = parse_manifest(place.document(descriptor.digest), descriptor.media_type)
    check(document, place.shown)
    config = config_of(place.blob(document.config), document, place.shown)
    keys = keys_of(config)
    return InlineCache(ctx, place, config, document.layers, keys, tell) if keys else None


class InlineCache:
    """The steps of one image (transfer.cache.opening.OpenedCache)."""

    def __init__(
        self,
        ctx: Layers,
        place: CachePlace,
        config: ImageConfig,
        layers: Sequence[Descriptor],
        keys: dict[str, int],
        tell: Observer,
    ) -> None:
        self.shown = place.shown
        self._ctx = ctx
        self._place = place
        self._layers = layers
        self._diff_ids = config.diff_ids
        self._times = [line.created for line in config.history if not line.empty_layer]
        self._keys = keys
        self._tell = tell

    def bring_exact(self, sought: Sought) -> bool:
        """Fetches the layer of the step, where the image stands on the same layers up to it."""
        position = next((self._keys[key] for key, _ in sought.keys if key in self._keys), None)
        if position is None or len(self._times) != len(self._diff_ids):
            return False
        name = self._diff_ids[position]
        if layerdb.get_diff(self._ctx.db.read(), name) is None:
            self._place.fetch(self._layers[position], name, self._tell)
        new = False
        with self._ctx.db.write() as tx:
            if layerdb.get_diff(tx, name) is None:
                return False
            forms.put(tx, Packed(name, self._layers[position]), self._place.repository)
            for key, ingredients in sought.keys:
                step = Step(
                    key, name, ingredients, sought.created_by, self._times[position], 0.0, parent=sought.on,
                    origin=self.shown,
                )  # fmt: skip
                new |= cachedb.put_step(tx, step) is step
        return new

    def bring_alike(self, sought: Sought) -> bool:
        """An image tells nothing of what it did not reuse."""
        return False

    def bring_layers(self, diff_ids: Iterable[DiffID]) -> None:
        """It lists none."""
