"""The mounts of a RUN for a process in what it left: caches and tmpfs again, no secrets, agents and binds."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from lamina.build.cachemounts import CacheMounts
from lamina.build.cancel import Cancel
from lamina.cachemounts.wanted import CacheWanted
from lamina.events import Notice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lamina.build.stepstate import StepMount
    from lamina.containers.request import RunRequest
    from lamina.events import Observer
    from lamina.layers.context import Layers


@contextmanager
def mounted(
    ctx: Layers, mounts: Sequence[StepMount], request: RunRequest, observer: Observer
) -> Iterator[RunRequest]:
    """While this lasts, the request has the mounts; its own at the same place go before them."""
    own = {text.split(":")[1] for text in request.volumes if ":" in text}
    own |= {text.partition(":")[0] for text in request.tmpfs}
    mounts = [mount for mount in mounts if mount.target not in own]
    caches = [mount for mount in mounts if _is_cache(ctx, mount)]
    tmpfs = [mount for mount in mounts if mount.type == "tmpfs" and ":" not in mount.target]
    others = [mount for mount in mounts if mount not in caches and mount not in tmpfs]
    if others:
        names = ", ".join(f"{mount.type} {mount.target or mount.id}" for mount in others)
        observer(Notice(f"[Warning] mounts of the step that are not there now: {names}"))
    wanted = [
        CacheWanted(mount.id, mount.sharing, mount.mode, mount.uid, mount.gid, created_by="run --step")
        for mount in caches
    ]
    with CacheMounts(ctx).borrow_all(wanted, Cancel()) as folders:
        yield request._replace(
            volumes=(*request.volumes, *map(_volume, folders, caches)),
            tmpfs=(*request.tmpfs, *map(_tmpfs, tmpfs)),
        )


def _is_cache(ctx: Layers, mount: StepMount) -> bool:
    """Whether it is a cache that can be had again: one with first content is known to builds only."""
    return mount.type == "cache" and not mount.seeded and ":" not in ctx.layout.root + mount.target


def _volume(folder: str, mount: StepMount) -> str:
    return f"{folder}:{mount.target}" + (":ro" if mount.read_only else "")


def _tmpfs(mount: StepMount) -> str:
    size = f",size={mount.size}" if mount.size else ""
    return f"{mount.target}:exec{size}" + (",ro" if mount.read_only else "")
