"""The archive of cache mounts, and writing one: CI keeps it between machines.

    lamina-cache.json    {"format": 1, "mounts": [{"folder": "0", "id": "/root/.cache", ...}, ...]}
    0, 0/...             the files of the first one, sorted by path
    1, 1/...
    lamina-cache.sums    {"0": content ID, ...}

Equal folders give equal bytes: no time but those of files (in whole seconds), no name that was made up.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from lamina.cachemounts import info, objects
from lamina.cachemounts.listing import named
from lamina.db import cachemounts as rows
from lamina.errors import Conflict, NotFound
from lamina.fs.walk import BLOCK, scan
from lamina.layers.canonical import plain
from lamina.store.lock import let_go
from lamina.tree.content import content_id
from lamina.tree.entry import Entry, Kind
from lamina.tree.tar.write import TarWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.db.cachemounts import CacheMount
    from lamina.layers.context import Layers

HEAD = b"lamina-cache.json"
SUMS = b"lamina-cache.sums"
FORMAT = 1
# Sockets have no place in a tar, deletions are overlay's own, and a device is nothing that can be cached.
_LEFT_OUT = frozenset({Kind.SOCKET, Kind.WHITEOUT, Kind.CHAR, Kind.BLOCK})


def export(ctx: Layers, names: Sequence[str], sink: Callable[[bytes], object]) -> None:
    """Writes the cache mounts with these names (ids, or objects), all for no name, as one tar.

    Builds that want one of them wait meanwhile. NotFound; Conflict when one is in use.
    """
    found = _chosen(ctx, names)
    with ExitStack() as stack:
        for key in sorted({row.key for row in found}):
            stack.enter_context(objects.key_lock(ctx, key))
        for row in found:
            descriptor = objects.lock(ctx, row.name)
            if descriptor is None:
                raise _refused(ctx, row)
            stack.callback(let_go, descriptor)
        _write(ctx, found, sink)


def _chosen(ctx: Layers, names: Sequence[str]) -> list[CacheMount]:
    c = ctx.db.read()
    found = [row for name in names for row in named(c, name)] if names else rows.mounts(c)
    usable = [row for row in dict.fromkeys(found) if not row.detached]
    if not usable:
        raise NotFound("there is no cache mount to export")
    return sorted(usable, key=lambda row: (row.id, row.key))  # those of one key stay in the order of making


def _refused(ctx: Layers, row: CacheMount) -> Conflict | NotFound:
    if not objects.is_there(ctx, row.name):
        return NotFound(f"No such cache mount: {row.id}")
    return Conflict(
        f"cache mount {row.id} ({row.name}) is in use by a build", hint="export it when the build has ended"
    )


def _write(ctx: Layers, found: Sequence[CacheMount], sink: Callable[[bytes], object]) -> None:
    tar = TarWriter(sink)
    mounts = [{"folder": str(number), **info.described(row)} for number, row in enumerate(found)]
    _document(tar, HEAD, {"format": FORMAT, "mounts": mounts})
    sums = {}
    for number, row in enumerate(found):
        sums[str(number)] = _tree(tar, objects.data_folder(ctx, row.name), b"%d" % number)
    _document(tar, SUMS, sums)
    tar.finish()


def _document(tar: TarWriter, name: bytes, content: object) -> None:
    data = (json.dumps(content, indent=1, sort_keys=True) + "\n").encode(errors="surrogateescape")
    tar.add(Entry(name, Kind.FILE, 0o644, size=len(data)))
    tar.data(data)


def _tree(tar: TarWriter, folder: str, prefix: bytes) -> str:
    """Writes the files of a folder below `prefix`; the content ID of what it wrote."""

    def read(entry: Entry, fd: int) -> str:
        tar.add(_moved(plain(entry), prefix))
        digest = hashlib.sha256()
        while chunk := os.read(fd, BLOCK):
            digest.update(chunk)
            tar.data(chunk)
        return digest.hexdigest()

    entries = []
    for found in scan(folder, read=read):
        if found.kind in _LEFT_OUT:
            continue
        entry = plain(found._replace(opaque=False))
        if entry.kind is not Kind.FILE:
            tar.add(_moved(entry, prefix))
        entries.append(entry)
    return content_id(entries)


def _moved(entry: Entry, prefix: bytes) -> Entry:
    path = prefix + b"/" + entry.path if entry.path else prefix
    link = prefix + b"/" + entry.link if entry.kind is Kind.HARDLINK else entry.link
    return entry._replace(path=path, link=link)
