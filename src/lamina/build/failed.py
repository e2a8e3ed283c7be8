"""A failed RUN stays: its writable layer is kept, and becomes a layer when somebody wants to look at it.

The kept snapshot is called failed-BUILD-STEP. Its row in `writable` keeps the layers that it stands on; the
row of the step says whose it is. The newest few stay; prune, and the removal of the record, take them away.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.db import cachedb, layerdb, recorded
from lamina.errors import LaminaError, NotFound
from lamina.events import Notice
from lamina.oci.digest import ChainID
from lamina.store.files import remove_tree

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from lamina.build.errors import BuildFailed
    from lamina.build.stagerun import StageRun, Work
    from lamina.db.layerdb import Diff
    from lamina.db.recorded import BuildStep
    from lamina.layers.context import Layers
    from lamina.snapshot.protocol import Snapshotter

PREFIX = recorded.KEPT
MOST = 5  # that a store keeps; one for each build
_ROOM = 64 << 20  # bytes that must be free to keep one: a step may have failed because it filled the disk


def keep(
    run: StageRun,
    work: Work,
    snapshotter: Snapshotter,
    key: str,
    stubs: tuple[bytes, ...],
    error: BuildFailed,
) -> BuildFailed:
    """Keeps the snapshot `key` of a RUN that just failed, if it is the first of its build to fail.

    The error to raise: it says how to look into what was kept. When keeping fails that is a Notice.
    """
    session = run.session
    ctx, record = session.ctx, session.record
    with record.lock:
        first, record.kept = not record.kept, True
    if not first:
        return error
    about = os.statvfs(ctx.layout.mnt)
    if about.f_bavail * about.f_frsize < _ROOM:
        record(Notice("[Warning] what the failed step changed is not kept: the disk is nearly full"))
        return error
    name = f"{PREFIX}{record.id}-{work.number}"
    try:
        _remove(ctx, list(_keys(ctx))[: 1 - MOST])
        # The row first: without its snapshot it says "gone", a snapshot without a row would be lost space.
        record.keeps(name, run.state, run.top.chain_id if run.top else "", work, stubs)
        snapshotter.keep(key, name)
    except (LaminaError, OSError) as problem:
        record(Notice(f"[Warning] what the failed step changed could not be kept: {problem}"))
        record.keeps_not(work.number)
        return error
    return error.stays(record.id, work.number)


def chain_of(ctx: Layers, build_id: str, step: BuildStep) -> ChainID | None:
    """The layers with all that a failed step had changed on top; made of its snapshot the first time.

    Call it as root in here. NotFound when the snapshot was removed.
    """
    if not step.kept:
        raise NotFound(
            f"nothing is kept of step {step.step} of build {build_id}",
            hint=f"`--before` starts from what it stood on; a store keeps the last {MOST} failed steps",
        )
    below = ChainID(step.chain_id) if step.chain_id else None
    if step.diff_id:  # it has become a layer
        return below
    from lamina.build.stepstate import parse
    from lamina.layers.capture import capture
    from lamina.layers.clock import now
    from lamina.layers.commit import stack
    from lamina.layers.lookup import Lookup

    chain = tuple([layer.diff_id for layer in reversed(layerdb.chain(ctx.db.read(), below))])
    made: list[ChainID] = []

    def also(c: sqlite3.Connection, diff: Diff) -> None:
        top = stack(c, ctx, below, diff, step.text, now())
        made.append(top.chain_id)
        cachedb.put_writable(c, cachedb.Writable(step.kept, top.chain_id, now(), ""))
        recorded.update_step(c, build_id, step.step, diff_id=diff.diff_id, chain_id=top.chain_id)

    snapshotter = _snapshotter_of(ctx, step.kept)
    stubs = [os.fsencode(stub) for stub in parse(step.state).stubs]
    # `keep`: an interruption must not lose what there is only once.
    capture(ctx, snapshotter, step.kept, Lookup(ctx, chain), stubs=stubs, keep=True, also=also)
    snapshotter.remove(step.kept)
    return made[0]


def remove_all(ctx: Layers) -> int:
    """Removes all that is kept of failed steps; the bytes in it. Call it as root in here."""
    keys = _keys(ctx)
    size = sum([size_of(ctx, key) for key in keys])
    _remove(ctx, keys)
    return size


def size_of(ctx: Layers, key: str) -> int:
    """The bytes that one of them takes of the disk; 0 once it is a layer."""
    try:
        return _snapshotter_of(ctx, key).usage(key).size
    except NotFound:
        return 0


def remove_of(ctx: Layers, build_ids: Iterable[str]) -> None:
    """Removes what is kept of these builds. Call it as root in here."""
    gone = tuple(f"{PREFIX}{build_id}-" for build_id in build_ids)
    _remove(ctx, [key for key in _keys(ctx) if key.startswith(gone)])


def _remove(ctx: Layers, keys: Iterable[str]) -> None:
    for key in keys:
        remove_tree(ctx.layout.snapshot_dir(key))
        with ctx.db.write(durable=False) as c:
            cachedb.delete_writable(c, key)
            recorded.forget_kept(c, key)


def _keys(ctx: Layers) -> list[str]:
    """What is kept, the oldest first."""
    rows = [row for row in cachedb.writables(ctx.db.read()) if row.key.startswith(PREFIX)]
    return [row.key for row in sorted(rows, key=lambda row: row.created)]


def _snapshotter_of(ctx: Layers, key: str) -> Snapshotter:
    from lamina.snapshot import probe
    from lamina.snapshot.active import Shelf

    try:
        made_by = Shelf(ctx.layout.mnt).info(key).snapshotter
    except NotFound:
        raise NotFound("what the failed step left was removed", hint="build again to fail again") from None
    return probe.named(made_by, ctx.layout)
