"""Build records that have to go, the oldest first; those whose process died are set right before."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.build import logs
from lamina.db import builds, recorded
from lamina.errors import Denied
from lamina.store.files import remove_tree
from lamina.store.lease import alive

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.layers.context import Layers


def trim(ctx: Layers, most: int, most_bytes: int) -> None:
    """Removes the oldest records beyond `most`, or `most_bytes` of logs. NoSpace, Denied."""
    settle(ctx)
    with ctx.db.write(durable=False) as tx:
        gone = builds.trim(tx, most, most_bytes)
    if gone:
        from lamina.build import failed  # for the few builds after which something goes

        try:
            failed.remove_of(ctx, gone)
        except Denied:
            pass  # a build from the cache is not root in here: the next one that fails, or prune, can
    _remove_logs(ctx, gone)


def settle(ctx: Layers) -> None:
    """Marks builds whose process died as interrupted."""
    running = recorded.running(ctx.db.read())
    dead = [build_id for build_id, lease in running if not alive(ctx.layout, lease)]
    if dead:
        with ctx.db.write(durable=False) as tx:
            for build_id in dead:
                recorded.settle(tx, build_id, logs.sizes(ctx.layout.build_dir(build_id)))


def remove(ctx: Layers, build_ids: Iterable[str]) -> None:
    """Removes these records with their logs; what is kept of failed steps goes before."""
    ids = list(build_ids)
    with ctx.db.write(durable=False) as tx:
        for build_id in ids:
            recorded.delete(tx, build_id)
    _remove_logs(ctx, ids)


def remove_strays(ctx: Layers) -> None:
    """Removes logs that no record names: a process died between the two. A build's record comes first."""
    try:
        names = os.listdir(ctx.layout.builds)
    except FileNotFoundError:
        return
    known = {build.id for build in recorded.builds(ctx.db.read())}
    _remove_logs(ctx, [name for name in names if name not in known])


def _remove_logs(ctx: Layers, build_ids: Iterable[str]) -> None:
    """The rows went first: a folder without a row is a sweep's to remove."""
    for build_id in build_ids:
        try:
            remove_tree(f"{ctx.layout.builds}/{build_id}")
        except FileNotFoundError:
            pass  # no build of this store has a log
