"""RUN --mount=type=bind of the build context: the files that it shows, as a layer.

So they belong to 0:0, are what .dockerignore leaves, and cannot change while the process runs. The layer is
written once for the same files with the same times, and stays as build cache, with a step of its own.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from lamina.build.placing import Placement, Style
from lamina.db import cachedb
from lamina.db.cachedb import Ingredient, Step
from lamina.graph.ingredients import describe
from lamina.layers.clock import now
from lamina.layers.commit import reuse_diff, stack
from lamina.layers.lookup import Lookup
from lamina.layers.write import write_layer

if TYPE_CHECKING:
    import sqlite3

    from lamina.build.mountsources import Folder
    from lamina.build.session import Session
    from lamina.db.layerdb import Diff
    from lamina.graph.ops import RunMount
    from lamina.oci.digest import DiffID

SHOWN = "/shown"  # where in the layer the file or folder is


def context_layer(session: Session, mount: RunMount, folder: Folder) -> DiffID:
    """The layer with what is shown. InvalidInput when a file changes while it is read."""
    ctx = session.ctx
    key = _key(folder)
    step = cachedb.get_step(ctx.db.read(), key)
    known = step.diff_id if step is not None else None
    if known is not None and reuse_diff(ctx, known, with_files=True) is not None:
        return known
    start = time.monotonic()
    created_by = f"[internal] --mount=type=bind,source={mount.source or '.'}"
    created_by = created_by.encode(errors="backslashreplace").decode()

    def also(c: sqlite3.Connection, diff: Diff) -> None:
        parts = (Ingredient("instruction", "context for RUN --mount"), Ingredient("files", key))
        cachedb.put_step(c, Step(key, diff.diff_id, parts, created_by, now(), time.monotonic() - start))
        stack(c, ctx, None, diff, created_by, now())

    entries = folder.picked.entries
    newest = max(entry.mtime for entry in entries)
    placement = Placement(Lookup(ctx, ()), Style(None, None, newest))
    placement.copy(folder.source, folder.picked, SHOWN)
    if folder.picked.is_folder:
        shown = SHOWN.lstrip("/").encode()
        placement.put(entries[0]._replace(path=shown, mtime=entries[0].mtime or newest), None)
    return write_layer(ctx, placement.items(), also=also).diff_id


def _key(folder: Folder) -> str:
    """Names the files with their times, which count here: programs like make compare them."""
    hasher = hashlib.sha256(b"context for RUN --mount\n")
    for entry in folder.picked.entries:
        line = describe(entry)
        hasher.update(b"%b\0%d %d:%b" % (entry.path, entry.mtime // 1_000_000_000, len(line), line))
    return "sha256:" + hasher.hexdigest()
