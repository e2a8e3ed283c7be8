"""Gathered: the rows of one build's steps, as the records of a shared cache have them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from lamina.db import cachedb, layerdb, traces
from lamina.db import packed as packed_forms
from lamina.db.cachedb import Ingredient
from lamina.errors import NotFound
from lamina.graph.masking import is_secret, secrets_of
from lamina.graph.reason import MASKED
from lamina.oci import media
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import ChainID, Digest
from lamina.transfer.cache import listing as cachelisting
from lamina.transfer.cache.places import described
from lamina.transfer.cache.records import MOST_FORMS, Records, SharedLayer, SharedStep

if TYPE_CHECKING:
    from lamina.db.cachedb import Step
    from lamina.db.layerdb import Layer
    from lamina.db.traces import Trace
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID

UNLISTED = Descriptor(cachelisting.MEDIA_TYPE, Digest(""), 0)  # stands for a listing that is to be made


class Exported(NamedTuple):
    """A step of a build: the keys of its rows, its layer, and the stack that it led to.

    Where the layer is not `kept`, only what is known of it is exported: who needs its files makes them again.
    """

    keys: tuple[str, ...]
    diff_id: DiffID
    top: Layer
    kept: bool = True


class Gathered:
    """What the steps of a build left in the store. `made` are the layers that are to be sent."""

    def __init__(self, ctx: Layers) -> None:
        self._ctx = ctx
        self._now = time.time()  # one for all steps: by that it is known what belongs together
        self._secrets: set[str] = set()
        self.made: dict[DiffID, None] = {}
        self.layers: dict[DiffID, SharedLayer] = {}
        self.stacks: dict[ChainID, Layer] = {}
        self.steps: dict[str, SharedStep] = {}
        self.traces: dict[tuple[str, str, str], Trace] = {}

    def records(self) -> Records:
        """All of it, once each layer has its listing."""
        stacks = self.stacks
        if self._secrets:
            stacks = {
                name: layer._replace(created_by=self._masked(layer.created_by))
                for name, layer in stacks.items()
            }
        return Records(self.layers, stacks, self.steps, tuple(self.traces.values()))

    def add(self, exported: Exported) -> None:
        """Takes over the rows of a step, of the layers below it, and of what it read."""
        c = self._ctx.db.read()
        self._add_stack(exported.top.parent)
        self._add_layer(exported.diff_id)
        if exported.kept:
            self.made[exported.diff_id] = None
        keys = [key for key in exported.keys if key not in self.steps]
        while keys:
            step = cachedb.get_step(c, keys.pop())
            if step is None or step.key in self.steps or step.diff_id != exported.diff_id:
                continue
            self.steps[step.key] = SharedStep(self._shown(step), self._now)
            for trace in traces.candidates(c, step.recipe) if step.recipe else ():
                if trace.diff_id == step.diff_id:
                    self.traces[(trace.recipe, trace.diff_id, trace.parent)] = trace
                    keys.append(trace.step)  # the run that left it may be another's
                    self._add_stack(ChainID(trace.parent) if trace.parent else None)

    def _shown(self, step: Step) -> Step:
        """The row as others may see it: without values of variables whose names say that they are secret."""
        variables = [
            (label[4:], value) for label, value in step.ingredients if label.startswith(("ARG ", "ENV "))
        ]
        self._secrets.update(secrets_of(variables))
        shown = []
        for label, value in step.ingredients:
            is_one = label.startswith(("ARG ", "ENV ")) and is_secret(label[4:])
            shown.append(Ingredient(label, MASKED if is_one else self._masked(value)))
        return step._replace(ingredients=tuple(shown), created_by=self._masked(step.created_by), origin="")

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASKED)
        return text

    def _add_stack(self, top: ChainID | None) -> None:
        """What a step stood on, as far as the store still knows it."""
        if top in self.stacks:
            return
        try:
            layers = layerdb.chain(self._ctx.db.read(), top)
        except NotFound:
            return
        for layer in layers:
            self.stacks[layer.chain_id] = layer
            self._add_layer(layer.diff_id)

    def _add_layer(self, name: DiffID) -> None:
        if name in self.layers:
            return
        c = self._ctx.db.read()
        diff = layerdb.need_diff(c, name)
        came = [form.descriptor for form in packed_forms.forms(c, name)]
        if diff.blob is not None and self._ctx.blobs.has(diff.blob):
            came.append(described(self._ctx, name))
        kept = tuple({each.digest: each for each in came}.values())[-MOST_FORMS:]
        plain = diff._replace(blob=None, media_type=media.LAYER)
        self.layers[name] = SharedLayer(plain, UNLISTED, forms=kept)
