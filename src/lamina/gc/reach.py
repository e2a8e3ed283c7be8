"""What the store must keep: everything that an image, a container, a step, or a living process refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import cachedb, containerdb, hosted, imagedb, indexdb, layerdb, leases
from lamina.errors import InvalidInput
from lamina.oci.digest import ChainID, DiffID, Digest, ImageID

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Container, Iterable

    from lamina.db.layerdb import Diff, Layer
    from lamina.store.blobs import BlobStore


class Held(NamedTuple):
    """What living processes hold, by kind (db.leases)."""

    diffs: frozenset[DiffID]
    layers: frozenset[ChainID]
    blobs: frozenset[Digest]
    images: frozenset[ImageID]
    steps: frozenset[str]


class Dead(NamedTuple):
    """Rows that nothing refers to: layers deepest first, as they must be deleted."""

    layers: tuple[Layer, ...]
    diffs: tuple[Diff, ...]


def held(c: sqlite3.Connection, living: Container[str]) -> Held:
    """What the leases of `living` processes hold."""
    names: dict[str, set[str]] = {kind: set() for kind in leases.KINDS}
    for hold in leases.held(c):
        if hold.lease in living:
            names.setdefault(hold.kind, set()).add(hold.name)
    return Held(
        frozenset(map(DiffID, names[leases.DIFF])),
        frozenset(map(ChainID, names[leases.LAYER])),
        frozenset(map(Digest, names[leases.BLOB])),
        frozenset(map(ImageID, names[leases.IMAGE])),
        frozenset(names[leases.STEP]),
    )


def used_layers(c: sqlite3.Connection, now: Held, images: Iterable[ImageID]) -> set[ChainID]:
    """The layers of these images, of containers and writable layers, and those held; with all below them."""
    parents = {layer.chain_id: layer.parent for layer in layerdb.layers(c)}
    todo: list[ChainID | None] = [*now.layers]
    for image_id in images:
        todo += imagedb.layers_of(c, image_id)
    todo += [container.chain_id for container in containerdb.containers(c)]
    todo += [writable.chain_id for writable in cachedb.writables(c)]
    used: set[ChainID] = set()
    for chain_id in todo:
        at = chain_id
        while at is not None and at not in used:
            used.add(at)
            at = parents.get(at)
    return used


def diffs_of(c: sqlite3.Connection, chain_ids: Container[ChainID]) -> set[DiffID]:
    """The diffs that these layers have."""
    return {layer.diff_id for layer in layerdb.layers(c) if layer.chain_id in chain_ids}


def dead(c: sqlite3.Connection, now: Held) -> Dead:
    """The layers and diffs that may go.

    A diff stays while a used layer, a step or a living process has it. A layer that is not used stays
    while its diff and all below it do: it is build cache, and the next build stands on it again.
    """
    used = used_layers(c, now, [image.image_id for image in imagedb.images(c)])
    keep = diffs_of(c, used) | now.diffs | hosted.diffs(c)
    keep.update([step.diff_id for step in cachedb.steps(c) if step.diff_id is not None])
    gone: dict[ChainID, Layer] = {}
    for layer in layerdb.layers(c):  # parents come first
        if layer.chain_id not in used and (layer.diff_id not in keep or layer.parent in gone):
            gone[layer.chain_id] = layer
    return Dead(
        tuple(reversed(gone.values())),
        tuple([diff for diff in layerdb.diffs(c) if diff.diff_id not in keep]),
    )


def used_blobs(c: sqlite3.Connection, blobs: BlobStore, now: Held) -> set[Digest]:
    """The blobs that are held, hosted, or named by diffs, images (config, manifest and its blobs) or indexes.

    Corrupt, NotFound, InvalidInput when a manifest cannot be read: nobody can say then what is not used.
    """
    used = {*now.blobs, *hosted.blobs(c)}
    used.update([diff.blob for diff in layerdb.diffs(c) if diff.blob is not None])
    for image in imagedb.images(c):
        used |= {Digest(image.image_id), image.manifest}
        used |= _named_by(blobs, image.manifest)
    for index in indexdb.indexes(c):
        must = frozenset(member.manifest for member in indexdb.members(c, index.digest))
        used |= {index.digest, *_named_by(blobs, index.digest, must)}
    return used


def _named_by(
    blobs: BlobStore, document: Digest, must: frozenset[Digest] = frozenset(), *, may_be_none: bool = False
) -> set[Digest]:
    """What a manifest names, or an index and all that stands in it; `must` be there, the rest may.

    Of the rest, what is no manifest (an index from elsewhere may call anything so) names nothing.
    """
    from lamina.oci.manifest import Manifest, parse  # only a sweep that deletes blobs needs it

    try:
        parsed = parse(blobs.read(document))
    except InvalidInput:
        if may_be_none:
            return set()
        raise
    if isinstance(parsed, Manifest):
        return {parsed.config.digest, *[layer.digest for layer in parsed.layers]}
    named = {descriptor.digest for descriptor in parsed.manifests}
    for digest in list(named):
        if digest in must or blobs.has(digest):
            named |= _named_by(blobs, digest, must, may_be_none=digest not in must)
    return named
