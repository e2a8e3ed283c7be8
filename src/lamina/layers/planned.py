"""PlannedLayers: a store that is asked, and not changed; layers that it lacks can seem to be there."""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Self

from lamina.db import cachedb, layerdb
from lamina.db.layerdb import Diff
from lamina.db.planned import PlannedDatabase
from lamina.layers.commit import EMPTY_TAR_SIZE
from lamina.layers.context import Layers
from lamina.layers.lookup import EMPTY_DIFF
from lamina.layers.write import LayerItem, ordered
from lamina.oci import media
from lamina.oci.digest import DiffID, sha256
from lamina.store.blobs import BlobStore
from lamina.store.lease import Lease
from lamina.tree.content import EMPTY_CONTENT, content_id
from lamina.tree.entry import FILES, Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lamina.db.layerdb import Layer
    from lamina.layers.absent import Fetcher
    from lamina.layers.lookup import Lookup
    from lamina.store.layout import Layout

    Source = Callable[[], BinaryIO] | bytes | None

_CHUNK = 1 << 20


class PlannedLayers(Layers):
    """As Layers, for one thread. Nothing is made on disk, also where there is no store; the lease is none."""

    db: PlannedDatabase
    sources: dict[tuple[DiffID, bytes], Source]  # the content of files in layers that are not there

    @classmethod
    def of(cls, layout: Layout, fetch: Callable[[], Fetcher] | None = None) -> Self:
        """The store at `layout`, whoever it belongs to. Denied where it may not be read, Corrupt."""
        db = PlannedDatabase.open(layout.database, create=False)
        made = cls(layout, BlobStore(layout), db, Lease(layout, "", -1), fetch)
        made.sources = {}
        return made

    def open_file(self, diff_id: DiffID, path: bytes) -> BinaryIO:
        """As Layers has it."""
        if (diff_id, path) not in self.sources:
            return super().open_file(diff_id, path)
        source = self.sources[diff_id, path]
        return BytesIO(source or b"") if source is None or isinstance(source, bytes) else source()

    def add(self, items: Iterable[LayerItem], parent: Lookup | None) -> Diff:
        """The layer that write_layer would make of these: one that is there, or seems so afterwards.

        What the store has with the same entries, their times too, has the same diff ID. InvalidInput.
        """
        whole = ordered(items, parent)
        entries = _entries(whole)
        known = self._known(entries)
        if known is not None:
            return known
        diff = self._new(entries)
        contents = {item.entry.path: item.source for item in whole}
        for entry in entries:
            if entry.kind in FILES:
                first = entry.link if entry.kind is Kind.HARDLINK else entry.path
                self.sources[diff.diff_id, entry.path] = contents[first]
        return diff

    def _known(self, entries: Sequence[Entry]) -> Diff | None:
        c = self.db.read()
        content = content_id(entries) if entries else EMPTY_CONTENT
        for (name,) in c.execute("SELECT diff_id FROM diffs WHERE content_id = ?", (content,)).fetchall():
            if cachedb.files(c, name) == list(entries):
                return layerdb.need_diff(c, name)
        return None

    def _new(self, entries: Sequence[Entry]) -> Diff:
        content = content_id(entries) if entries else EMPTY_CONTENT
        times = ",".join([str(entry.mtime) for entry in entries])
        name = DiffID(sha256(f"planned {content} {times}".encode())) if entries else DiffID(EMPTY_DIFF)
        size = sum([entry.size for entry in entries if entry.kind is Kind.FILE])
        diff = Diff(name, content, size, EMPTY_TAR_SIZE, len(entries), None, media.LAYER)
        self.db.add_diff(diff, entries)
        return diff

    def stack(self, parent: Layer | None, diff: Diff, created_by: str, created: str) -> Layer:
        """The row of a layer on top of `parent`: one that is there, or seems so afterwards."""
        layer = layerdb.make_layer(parent, diff, created_by, created)
        found = layerdb.get_layer(self.db.read(), layer.chain_id)
        if found is None:
            self.db.add_layer(layer)
        return found or layer


def _entries(items: Sequence[LayerItem]) -> list[Entry]:
    """As they would be in the store: with the digests of all files."""
    made: dict[bytes, Entry] = {}
    for entry, source in items:
        if entry.kind is Kind.HARDLINK:
            entry = made[entry.link]._replace(path=entry.path, kind=Kind.HARDLINK, link=entry.link)
        elif entry.kind is Kind.FILE and not entry.digest:
            entry = entry._replace(digest=_digest(source))
        made[entry.path] = entry
    return list(made.values())


def _digest(source: Source) -> str:
    if source is None or isinstance(source, bytes):
        return hashlib.sha256(source or b"").hexdigest()
    hasher = hashlib.sha256()
    with source() as stream:
        while data := stream.read(_CHUNK):
            hasher.update(data)
    return hasher.hexdigest()
