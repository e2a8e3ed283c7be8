"""Helpers for tests of layers: stores, their state, archives."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from typing import TYPE_CHECKING

from lamina.db import cachedb
from lamina.db.connect import Database
from lamina.layers.context import Layers
from lamina.layers.pack import pack
from lamina.oci.digest import DiffID
from lamina.store.blobs import BlobStore
from lamina.store.layout import Layout
from lamina.store.lease import Lease

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.layers.lookup import Lookup
    from lamina.tree.entry import Entry

Member = tuple[str, str, object]  # name, kind, content or link or extra


def open_store(root: str) -> Layers:
    """Opens (makes) a store with a new lease."""
    layout = Layout(root)
    lease = Lease.acquire(layout)
    return Layers(layout, BlobStore(layout, lease), Database.open(layout.database), lease)


def state(ctx: Layers) -> tuple[object, ...]:
    """What a failed operation must leave as it was: names on disk and rows."""
    names = [sorted(os.listdir(folder)) for folder in ctx.layout.temp_folders()]
    c = ctx.db.read()
    counts = [
        c.execute(f"SELECT count(*) FROM {table}").fetchone()
        for table in ("diffs", "files", "images", "tags")
    ]
    return (*names, *counts)


def rows(ctx: Layers, diff_id: DiffID) -> list[Entry]:
    """The file rows of a layer."""
    return cachedb.files(ctx.db.read(), diff_id)


def packed_bytes(ctx: Layers, diff_id: DiffID) -> bytes:
    """The tar of a layer."""
    out = io.BytesIO()
    pack(ctx, diff_id, out.write)
    return out.getvalue()


def named(data: bytes) -> DiffID:
    """The diff ID of a tar."""
    return DiffID("sha256:" + hashlib.sha256(data).hexdigest())


def member(
    name: str, kind: str = "f", *, link: str = "", mode: int = 0o644, size: int = 0, **more: object
) -> tarfile.TarInfo:
    """A tar header; `kind` is as in lamina.tree.entry.Kind."""
    info = tarfile.TarInfo(name)
    types = {"f": "0", "h": "1", "l": "2", "c": "3", "b": "4", "d": "5", "p": "6"}
    info.type = types[kind].encode()
    info.linkname, info.mode, info.size = link, 0o755 if kind == "d" else mode, size
    for key, value in more.items():
        setattr(info, key, value)
    return info


def tar_of(*members: tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar of members, with content where one has some."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for each in members:
            if isinstance(each, tuple):
                info, data = each
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            else:
                tar.addfile(each)
    return out.getvalue()


def file(name: str, data: bytes = b"data", **more: object) -> tuple[tarfile.TarInfo, bytes]:
    """A file for tar_of."""
    return member(name, **more), data  # type: ignore[arg-type]


def on_disk(ctx: Layers, diff_id: DiffID) -> list[bytes]:
    """The paths below a layer's folder."""
    root = os.fsencode(ctx.layout.diff_dir(diff_id))
    found = []
    for folder, folders, files in os.walk(root):
        found += [os.path.relpath(os.path.join(folder, name), root) for name in (*folders, *files)]
    return sorted(found)


def paths(entries: Iterable[Entry]) -> list[bytes]:
    """The paths of entries."""
    return [entry.path for entry in entries]


def content(lookup: Lookup, path: bytes) -> bytes:
    """The content of a file in a merged view."""
    with lookup.open(path) as stream:
        return stream.read()
