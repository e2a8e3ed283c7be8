"""Records: what a shared cache says: layers, the steps that made them, what these read. Pure data, to bytes.

A cache is an OCI image manifest: its config is the records as JSON (MEDIA_TYPE), its layers are the layers
that are kept with it and the listings of all (`listing`). `parse` reads the records of others: all of
them, before anybody sees one; chain IDs are not read but computed. Which layer a step made is the word of
whoever wrote it: use the caches of people whose images you would run.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, NamedTuple

from lamina.oci import canonical
from lamina.oci.digest import ChainID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lamina.db.cachedb import Step
    from lamina.db.layerdb import Diff, Layer
    from lamina.db.traces import Trace
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import DiffID

MEDIA_TYPE = "application/vnd.lamina.cache.v1+json"
VERSION = 1
MOST_FORMS = 8  # of one layer
_MAX_WRITTEN = 8 << 20  # bytes of those that are written: the steps used least lately are left out
_MOST_STEPS = 1000  # of those


class SharedLayer(NamedTuple):
    """A layer. `blob` is it as the cache's own repository has it; None where only its files are listed.

    A short `listing` is in its own descriptor (`data`), and no blob.
    `forms` are others in which it was seen: a base image's manifest may name it so.
    """

    diff: Diff  # its `blob` is None
    listing: Descriptor
    blob: Descriptor | None = None
    forms: tuple[Descriptor, ...] = ()


class SharedStep(NamedTuple):
    """A row of `steps`, and when a build with it was last exported, in seconds since 1970."""

    step: Step
    used: float


class Records(NamedTuple):
    """All that a cache says. `stacks` have each its parent, and each layer is in `layers`."""

    layers: Mapping[DiffID, SharedLayer] = {}
    stacks: Mapping[ChainID, Layer] = {}
    steps: Mapping[str, SharedStep] = {}
    traces: tuple[Trace, ...] = ()

    def chain(self, top: str | None) -> list[Layer]:
        """A stack with all those below it, bottom first; [] where it is not known."""
        found = []
        at = ChainID(top) if top else None
        while at is not None and at in self.stacks:
            found.append(self.stacks[at])
            at = self.stacks[at].parent
        return found[::-1]


def merged(mine: Records, theirs: Records) -> Records:
    """Both; where they have the same step, that of the later use. Layers that one keeps are kept."""
    steps = dict(theirs.steps)
    for key, each in mine.steps.items():
        if key not in steps or steps[key].used <= each.used:
            steps[key] = each
    layers = {**theirs.layers, **mine.layers}
    for diff_id, layer in layers.items():
        if diff_id in theirs.layers:
            other = theirs.layers[diff_id]
            forms = {each.digest: each for each in (*other.forms, *layer.forms)}
            kept = tuple(forms.values())[-MOST_FORMS:]
            layers[diff_id] = layer._replace(blob=layer.blob or other.blob, forms=kept)
    known = {(trace.recipe, trace.diff_id, trace.parent) for trace in mine.traces}
    traces = [each for each in theirs.traces if (each.recipe, each.diff_id, each.parent) not in known]
    return Records(layers, {**theirs.stacks, **mine.stacks}, steps, (*traces, *mine.traces))


def trimmed(records: Records) -> Records:
    """The steps that were used last, as many as a cache may have, with all that belongs to them."""
    steps = sorted(records.steps.values(), key=lambda each: (-each.used, each.step.key))[:_MOST_STEPS]
    while True:
        found = _belonging(records, steps)
        size = len(to_bytes(found))
        if size <= _MAX_WRITTEN or not steps:
            return found
        steps = steps[: min(len(steps) - 1, len(steps) * _MAX_WRITTEN // size)]


def _belonging(records: Records, steps: Iterable[SharedStep]) -> Records:
    kept = {each.step.key: each for each in steps}
    stacks: dict[ChainID, Layer] = {}
    diffs: set[DiffID] = set()
    for step, _ in kept.values():
        if step.diff_id is not None:
            diffs.add(step.diff_id)
    traces = [each for each in records.traces if each.step in kept and each.diff_id in diffs]
    tops = {each.step.parent for each in kept.values()} | {each.parent for each in traces}
    for top in tops:
        for layer in records.chain(top):
            stacks[layer.chain_id] = layer
            diffs.add(layer.diff_id)
    layers = {name: layer for name, layer in records.layers.items() if name in diffs}
    return Records(layers, stacks, kept, tuple(traces))


def blobs_of(records: Records) -> list[Descriptor]:
    """What the manifest of a cache names as its layers: each once."""
    found: dict[str, Descriptor] = {}
    for layer in records.layers.values():
        for descriptor in (layer.blob, layer.listing):
            if descriptor is not None and not descriptor.data:
                found.setdefault(descriptor.digest, descriptor)
    return list(found.values())


def to_bytes(records: Records) -> bytes:
    """The records as a blob; the same records give the same bytes."""
    layers = sorted(records.layers.values(), key=lambda each: each.diff.diff_id)
    numbers = {layer.diff.diff_id: number for number, layer in enumerate(layers)}
    stacks = sorted(records.stacks.values(), key=lambda each: (each.depth, each.chain_id))
    places = {layer.chain_id: number for number, layer in enumerate(stacks)}
    steps = sorted(records.steps.values(), key=lambda each: each.step.key)
    return canonical.dumps(
        {
            "version": VERSION,
            "layers": [_layer_out(layer) for layer in layers],
            "stacks": [
                [
                    places[each.parent] if each.parent else -1,
                    numbers[each.diff_id],
                    each.created_by,
                    each.created,
                ]
                for each in stacks
            ],
            "steps": [_step_out(each, numbers) for each in steps],
            "traces": [_trace_out(each, numbers) for each in records.traces],
        }
    )


def _layer_out(layer: SharedLayer) -> dict[str, object]:
    diff = layer.diff
    out: dict[str, object] = {
        "diffID": diff.diff_id,
        "contentID": diff.content_id,
        "size": diff.size,
        "tarSize": diff.tar_size,
        "entries": diff.entries,
        "listing": layer.listing.to_json(),
    }
    if layer.blob is not None:
        out["blob"] = layer.blob.to_json()
    if layer.forms:
        out["forms"] = [each.to_json() for each in layer.forms]
    return out


def _step_out(shared: SharedStep, numbers: Mapping[DiffID, int]) -> dict[str, object]:
    step = shared.step
    return {
        "key": step.key,
        "layer": numbers[step.diff_id] if step.diff_id is not None else -1,
        "ingredients": step.ingredients,
        "createdBy": step.created_by,
        "created": step.created,
        "seconds": round(step.seconds, 6),
        "recipe": step.recipe,
        "parent": step.parent,
        "rule": step.rule,
        "ran": round(step.ran, 3),
        "used": round(shared.used, 3),
    }


def _trace_out(trace: Trace, numbers: Mapping[DiffID, int]) -> dict[str, object]:
    read_set = None if trace.read_set is None else base64.b64encode(trace.read_set).decode()
    return {
        "recipe": trace.recipe,
        "layer": numbers[trace.diff_id],
        "parent": trace.parent,
        "step": trace.step,
        "paths": trace.paths,
        "readSet": read_set,
        "doubt": trace.doubt,
    }
