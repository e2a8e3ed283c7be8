"""Shared caches of others, read when a build needs them, and only as far as it asks.

    opened = open_cache(ctx, place, platform, tell)    # None: nothing is there that could be used
    opened.bring_exact(sought)      # rows for a step that the store does not have; True when one came
    opened.bring_alike(sought)      # else: for runs of the same recipe, or the steps most like it

What comes are rows: steps and traces, and the layers that they speak of as ABSENT layers (layers.absent):
their bytes stay where they are until somebody needs them. With a step come those that the build which used it
last did after it, so that a build asks about once. Rows that are here already stay as they are.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lamina.errors import Corrupt, InvalidInput, NotFound
from lamina.oci import manifest as manifests
from lamina.oci.manifest import Index, Manifest
from lamina.transfer.cache import parse as cacheparse
from lamina.transfer.cache import records as cacherecords

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.db.cachedb import Ingredient
    from lamina.events import Observer
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID, Digest
    from lamina.oci.platform import Platform
    from lamina.transfer.cache.places import CachePlace
    from lamina.transfer.cache.records import Records


class Sought(NamedTuple):
    """A step that a build misses: its keys with their ingredients, and what else it may be found by."""

    keys: tuple[
        tuple[str, tuple[Ingredient, ...]], ...
    ]  # the key of the step, then the quick one if it has one
    created_by: str
    on: str  # the stack that it stands on, "" for nothing
    recipe: str = ""


class OpenedCache(Protocol):
    """A cache that was read. Asked by one thread at a time."""

    shown: str

    def bring_exact(self, sought: Sought) -> bool:
        """Rows for the step by its keys, and for what was done after it. Whether a new one came."""

    def bring_alike(self, sought: Sought) -> bool:
        """Rows for runs of its recipe; else for the newest with its line of history, or some on its stack.

        The latter are for who wants to know what is different now. Whether a new one came.
        """

    def bring_layers(self, diff_ids: Iterable[DiffID]) -> None:
        """Rows of these layers, as far as the cache lists them and the store does not know them."""


def open_cache(ctx: Layers, place: CachePlace, platform: Platform, tell: Observer) -> OpenedCache | None:
    """The cache at a place; of an image the one that is inside of it. None when there is none.

    NotFound, InvalidInput, Corrupt; what the place raises.
    """
    digest = place.digest()
    if digest is None:
        raise NotFound(f"{place.shown}: not found")
    manifest, records = read_records(ctx, place, digest)
    if records is not None:
        from lamina.transfer.cache.importing import RecordsCache  # which imports this room

        return RecordsCache(ctx, place, records, tell)
    from lamina.transfer.cache.inline import open_inline  # most caches are no images

    return open_inline(ctx, place, manifest, platform, tell)


def read_records(ctx: Layers, place: CachePlace, digest: Digest) -> tuple[Manifest | Index, Records | None]:
    """What is under a digest, and its records; None where it is an image. NotFound, Corrupt, InvalidInput.

    What was read before, and is the same, is not fetched again.
    """
    data = _kept(ctx, digest)
    if data is None:
        data = place.document(digest)
    document = manifests.parse(data)
    if isinstance(document, Index) or document.config.media_type != cacherecords.MEDIA_TYPE:
        return document, None
    if document.config.size > cacheparse.MAX_SIZE:
        raise InvalidInput(f"cache of {document.config.size} bytes; at most {cacheparse.MAX_SIZE} are read")
    records = _kept(ctx, document.config.digest)
    if records is None:
        records = place.blob(document.config)
    parsed = cacheparse.parse(records)
    keep(ctx, place.source, digest, (data, records))
    return document, parsed


def _kept(ctx: Layers, digest: Digest) -> bytes | None:
    try:
        return ctx.blobs.read(digest, cacheparse.MAX_SIZE) if ctx.blobs.has(digest) else None
    except (NotFound, Corrupt):
        return None


def keep(ctx: Layers, source: str, digest: Digest, blobs: Iterable[bytes]) -> None:
    """Keeps what was read, or written, for the next build, in the place of what was kept; until a sweep."""
    c = ctx.db.read()
    row = c.execute("SELECT digest FROM cache_imports WHERE source = ?", (source,)).fetchone()
    if row is not None and row[0] == digest and ctx.blobs.has(digest):
        return
    for data in blobs:
        ctx.blobs.put(data)
    with ctx.db.write(durable=False) as tx:
        tx.execute("INSERT OR REPLACE INTO cache_imports VALUES (?, ?, ?)", (source, digest, time.time()))
        others = tx.execute("SELECT 1 FROM cache_imports WHERE digest = ?", row).fetchone() if row else (1,)
    if others is None:
        old = _kept(ctx, row[0])
        if old is not None:
            ctx.blobs.delete(manifests.parse_manifest(old).config.digest)
            ctx.blobs.delete(row[0])
