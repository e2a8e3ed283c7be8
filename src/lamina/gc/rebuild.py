"""rebuild: fills layerdb again from layers/ and diff/ after the database was lost; and finds cache mounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.cachemounts.removing import settle
from lamina.db import cachedb, layerdb, leases
from lamina.db.layerdb import Diff, Layer
from lamina.errors import LaminaError
from lamina.layers.context import Layers
from lamina.oci import media
from lamina.oci.digest import chain_id
from lamina.store import layerfile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lamina.gc.context import Context
    from lamina.oci.digest import ChainID
    from lamina.store.layerfile import LayerFile
    from lamina.tree.entry import Entry


class Rebuilt(NamedTuple):
    """The layers that have rows now, and those whose files are damaged, missing, or not what they were."""

    layers: tuple[ChainID, ...]
    lost: tuple[ChainID, ...]


def rebuild(ctx: Context, scan: Callable[[str], Iterable[Entry]]) -> Rebuilt:
    """Puts the rows of every layer whose file and folder are sound, and whose parents' are.

    `scan` lists a folder as fs.walk.scan does, contents hashed; a folder's own entry b"" is dropped. What it
    lists must have the content ID that the layer's file says. The lease holds what was found: make
    images of it, or a sweep removes it once this process ends. Cache mounts have their rows again as well.
    What was known of absent layers (layers.absent) went with the database: they are lost, with what stands on
    them, until they are pulled or built again.
    """
    settle(Layers(*ctx))
    files, lost = _read_all(ctx)
    done: list[ChainID] = []
    for layer in sorted(files, key=lambda file: len(file.parents)):
        if _put(ctx, layer, scan):
            done.append(layer.chain_id)
        else:
            lost.append(layer.chain_id)
    return Rebuilt(tuple(done), tuple(lost))


def _read_all(ctx: Context) -> tuple[list[LayerFile], list[ChainID]]:
    files: list[LayerFile] = []
    lost: list[ChainID] = []
    for name in layerfile.walk(ctx.layout):
        try:
            files.append(layerfile.read(ctx.layout, name))
        except LaminaError:
            lost.append(name)
    return files, lost


def _put(ctx: Context, file: LayerFile, scan: Callable[[str], Iterable[Entry]]) -> bool:
    parent = _parent_of(file)
    c = ctx.db.read()
    if parent is not None and layerdb.get_layer(c, parent) is None:
        return False
    entries: list[Entry] | None = None
    if layerdb.get_diff(c, file.diff_id) is None:
        entries = _entries(ctx, file, scan)
        if entries is None:
            return False
    with ctx.db.write() as tx:
        leases.hold(tx, ctx.lease.id, leases.LAYER, file.chain_id)
        if layerdb.put_diff(tx, _diff_of(ctx, file)) and entries is not None:
            cachedb.put_files(tx, file.diff_id, entries)
        layerdb.put_layer(tx, _layer_of(file, parent))
    return True


def _entries(ctx: Context, file: LayerFile, scan: Callable[[str], Iterable[Entry]]) -> list[Entry] | None:
    """What is in the layer's folder; None when that is not what was committed."""
    from lamina.tree.content import content_id

    try:
        found = [entry for entry in scan(ctx.layout.diff_dir(file.diff_id)) if entry.path]
        return found if content_id(found) == file.content_id else None
    except (LaminaError, OSError, ValueError):
        return None


def _parent_of(file: LayerFile) -> ChainID | None:
    below: ChainID | None = None
    for diff_id in reversed(file.parents):
        below = chain_id(below, diff_id)
    return below


def _diff_of(ctx: Context, file: LayerFile) -> Diff:
    blob, media_type = file.blob, file.media_type
    if blob is not None and not ctx.blobs.has(blob):
        blob, media_type = None, media.LAYER
    return Diff(file.diff_id, file.content_id, file.size, file.tar_size, file.entries, blob, media_type)


def _layer_of(file: LayerFile, parent: ChainID | None) -> Layer:
    return Layer(
        file.chain_id,
        parent,
        file.diff_id,
        file.chain_content_id,
        file.created_by,
        file.created,
        len(file.parents) + 1,
    )
