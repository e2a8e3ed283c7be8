"""Absent layers: a row in `diffs` with its file rows, but no folder in diff/: the bytes are elsewhere.

What only asks the rows (the build cache above all) takes such a layer for any other. What needs files calls

    bring(ctx, diff_ids)                   # before it mounts or reads: what is absent is fetched, all at once

and `ctx.open_file` and layers.pack do so themselves for the one layer that they read; `open_blob` is for who
wants a layer's blob just as it came. `ctx.fetch` does the work (transfer.lazy, by the tables `packed` and
`places`). Who learns of a layer from elsewhere, with its file rows, writes in one transaction

    put_absent(ctx, tx, diff, entries)     # False: the store knows it otherwise; believe nothing of it
    packed.put(tx, Packed(diff_id, descriptor), repository)     # where the bytes are; several are better

and may keep the few small files that builds ask for most (etc/passwd, etc/group) with `ctx.blobs.put(data)`:
they are then read without the layer. A sweep takes such blobs away.

Rows are claims until the bytes come: commit_diff compares them (layers.claims). So the folder and the row of
a diff ID always fit: put_absent makes no row beside a folder, and no folder comes that was not compared.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from lamina.db import cachedb, layerdb, leases, packed
from lamina.errors import Corrupt, InvalidInput, LaminaError, NotFound
from lamina.layers.lookup import EMPTY_DIFF
from lamina.oci import media
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.store.files import remove_tree
from lamina.store.place import take_diff
from lamina.tree.content import EMPTY_CONTENT

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from lamina.db.layerdb import Diff
    from lamina.db.packed import Packed
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID
    from lamina.tree.entry import Entry

_KEPT = 1 << 20  # bytes of a file that is read without its layer
_CHUNKED = "io.github.containers.zstd-chunked.manifest-position"


class Elsewhere(LaminaError):
    """Layers whose files are needed are not here, and cannot be brought. `diff_ids` are these layers.

    `gone`: who was asked answered, and has them no more; else it may help to try again.
    """

    diff_ids: tuple[DiffID, ...] = ()
    gone: bool = False


class Misdescribed(Corrupt):
    """Layers that came are not what had been said of them; all that rested on that is forgotten."""

    diff_ids: tuple[DiffID, ...] = ()


class Fetcher(Protocol):
    """Brings what is elsewhere: transfer.lazy.Lazy."""

    def layers(self, ctx: Layers, diff_ids: Sequence[DiffID], /) -> None:
        """Afterwards the files of these layers, which have their rows, are here. Errors as of `bring`."""

    def blob(self, ctx: Layers, descriptor: Descriptor, /) -> None:
        """Afterwards a layer's blob is in the store. Errors as of `open_blob`."""


def is_here(ctx: Layers, diff_id: DiffID) -> bool:
    """Whether the files of a layer that has its row are in the store. One call of stat."""
    return os.path.isdir(ctx.layout.diff_dir(diff_id))


def absent(ctx: Layers, diff_ids: Iterable[DiffID]) -> list[DiffID]:
    """Those of these layers whose files are not in the store, each once, in the same order."""
    return [diff_id for diff_id in dict.fromkeys(diff_ids) if not is_here(ctx, diff_id)]


def bring(ctx: Layers, diff_ids: Iterable[DiffID]) -> None:
    """Afterwards the files of these layers, which have their rows, are here; one stat each where they are.

    Fetches what is absent. Elsewhere when that cannot be had; Misdescribed; NoSpace, Denied, Cancelled.
    """
    missing = absent(ctx, diff_ids)
    if not missing:
        return
    if ctx.fetch is None:
        raise elsewhere(missing, "nothing is fetched here")
    ctx.fetch().layers(ctx, missing)


def open_blob(ctx: Layers, descriptor: Descriptor) -> BinaryIO:
    """A blob that a manifest names, of the store or from elsewhere; verified as it is read.

    NotFound when nobody has it; Corrupt, Denied, NoSpace, Cancelled, and how fetching fails.
    """
    if ctx.fetch is not None and not ctx.blobs.has(descriptor.digest):
        ctx.fetch().blob(ctx, descriptor)
    return ctx.blobs.open(descriptor.digest)


def as_it_came(ctx: Layers, diff: Diff) -> Descriptor | None:
    """The blob that a layer was received as, or will be when it comes; None for one that was made here."""
    if diff.blob is not None:
        return Descriptor(diff.media_type, diff.blob, ctx.blobs.size(diff.blob))
    if is_here(ctx, diff.diff_id):
        return None
    came = [form for form in packed.forms(ctx.db.read(), diff.diff_id) if not form.maker]
    return min(came, key=rank).descriptor._replace(annotations={}) if came else None


def rank(form: Packed) -> tuple[bool, int]:
    """By which of several forms a layer is fetched: one of which parts can be had, then the smaller one."""
    return _CHUNKED not in form.descriptor.annotations, form.descriptor.size


def elsewhere(
    diff_ids: Sequence[DiffID], why: str, hint: str | None = None, *, gone: bool = False
) -> Elsewhere:
    """The error for layers that cannot be brought."""
    first, *others = diff_ids
    more = f" and {len(others)} more are" if others else " is"
    error = Elsewhere(f"layer {first}{more} not in the store, only known: {why}", hint=hint)
    error.diff_ids, error.gone = tuple(diff_ids), gone
    return error


def open_kept(ctx: Layers, diff_id: DiffID, path: bytes) -> BinaryIO | None:
    """A file of an absent layer whose content is here all the same, as a blob that its digest names."""
    entry = cachedb.file(ctx.db.read(), diff_id, path)
    if entry is None or not entry.digest or not ctx.blobs.has(blob := Digest(f"sha256:{entry.digest}")):
        return None
    try:
        ctx.blobs.read(blob, _KEPT)  # is it what its name says?
        return cast("BinaryIO", open(ctx.blobs.path(blob), "rb", buffering=0))
    except (NotFound, Corrupt, InvalidInput, OSError):
        return None


def put_absent(ctx: Layers, tx: sqlite3.Connection, diff: Diff, entries: Iterable[Entry]) -> bool:
    """Makes a layer known by its rows alone; our lease holds it. What is here already stays as it is.

    `entries` are sorted by path. False when the store knows this diff ID otherwise: then what was said of it,
    and of steps that made it, is not to be believed. ValueError for a file without a digest.
    """
    leases.hold(tx, ctx.lease.id, leases.DIFF, diff.diff_id)
    if diff.diff_id == EMPTY_DIFF:
        return diff.content_id == EMPTY_CONTENT and _put_empty(ctx, tx)
    if not layerdb.put_diff(tx, diff._replace(blob=None, media_type=media.LAYER)):
        return said(layerdb.need_diff(tx, diff.diff_id)) == said(diff)
    cachedb.put_files(tx, diff.diff_id, entries)
    # A folder that no row named was left by the dead, who may have seen other things in it.
    left = take_diff(ctx.layout, ctx.lease, diff.diff_id)
    if left is not None:
        remove_tree(left)
    return True


def said(diff: Diff) -> tuple[str, int, int, int]:
    """What a row says of the content of a layer, in so far as it can be wrong."""
    return diff.content_id, diff.size, diff.tar_size, diff.entries


def _put_empty(ctx: Layers, tx: sqlite3.Connection) -> bool:
    """The layer in which nothing changed needs nobody to bring it."""
    from lamina.layers.commit import put_empty  # which imports this room

    put_empty(ctx, tx)
    return True
