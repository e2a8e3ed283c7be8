"""mount: an image or a container as a folder to look into; umount ends it.

Root of the machine gets a mount below the store, as with any other mount. An ordinary user's mounts are
seen in a namespace of their own only: a holder process keeps that, and the path leads through it.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from lamina.containers import state
from lamina.db import cachedb, imagedb, layerdb
from lamina.db.names import resolve_image
from lamina.errors import Denied, NotFound
from lamina.layers.absent import bring
from lamina.layers.clock import now
from lamina.mount import holder, userns
from lamina.mount.table import mounts_below
from lamina.snapshot import probe
from lamina.store.files import remove_tree

if TYPE_CHECKING:
    from lamina.containers.context import Containers
    from lamina.mount.types import Mount

_VIEW = "view-"  # then the image's digits: the key of the read-only snapshot of an image
_RECORD = "mounted.json"


class Mounted(NamedTuple):
    """One thing that `mount` mounted."""

    name: str  # as it was given
    path: str


class _Record(NamedTuple):
    """What is written down about a mount. `pid` is its holder's, 0 for a mount that all can see."""

    name: str
    key: str
    snapshotter: str
    pid: int
    pid_start: int


def mount(ctx: Containers, name: str) -> str:
    """Mounts a container (writable) or an image (read-only), if it is not yet; the path. NotFound, Denied."""
    try:
        row = state.find(ctx, name)
    except NotFound:
        return _mount_image(ctx, name)
    key = row.id
    found = _alive(ctx, key)
    if found is not None:
        return _path(ctx, found)
    return _mount(ctx, name, key, row.snapshotter)


def umount(ctx: Containers, name: str) -> None:
    """Ends what `mount` made for this image or container. NotFound when nothing is mounted."""
    try:
        key = state.find(ctx, name).id
    except NotFound:
        key = _VIEW + resolve_image(ctx.layers.db.read(), name).image_id.partition(":")[2]
    if not umount_if_mounted(ctx, key):
        raise NotFound(f"{name} is not mounted", hint="`lamina mount` lists what is")


def umount_if_mounted(ctx: Containers, key: str) -> bool:
    """Ends the mount of a container or view by its key; whether there was one."""
    record = _read(ctx, key)
    if record is None:
        return False
    _forget(ctx, record)
    return True


def mounts(ctx: Containers) -> list[Mounted]:
    """What is mounted, by name. What a reboot or a kill undid is cleared away."""
    try:
        keys = sorted(os.listdir(_folder(ctx)))
    except FileNotFoundError:
        return []
    found = [record for record in (_alive(ctx, key) for key in keys) if record is not None]
    return sorted(Mounted(record.name, _path(ctx, record)) for record in found)


def _mount_image(ctx: Containers, name: str) -> str:
    c = ctx.layers.db.read()
    image_id = resolve_image(c, name).image_id
    key = _VIEW + image_id.partition(":")[2]
    found = _alive(ctx, key)
    if found is not None:
        return _path(ctx, found)
    chain = imagedb.layers_of(c, image_id)
    top = chain[-1] if chain else None
    diff_ids = [layer.diff_id for layer in reversed(layerdb.chain(c, top))]
    bring(ctx.layers, diff_ids)
    parents = [ctx.layers.layout.diff_dir(diff_id) for diff_id in diff_ids]
    snapshotter = ctx.snapshotter()
    with ctx.layers.db.write() as tx:  # keeps the layers, also when the image is removed
        imagedb.need_image(tx, image_id)
        cachedb.put_writable(tx, cachedb.Writable(key, top, now(), ""))
    snapshotter.remove(key)
    snapshotter.view(key, parents)
    return _mount(ctx, name, key, snapshotter.name)


def _mount(ctx: Containers, name: str, key: str, snapshotter: str) -> str:
    target = f"{_folder(ctx)}/{key}/root"
    os.makedirs(target, 0o700, exist_ok=True)
    record = _Record(name, key, snapshotter, 0, 0)
    try:
        made = tuple(map(_inert, probe.named(snapshotter, ctx.layers.layout).mounts(key, target)))
        if _is_machine_root():
            _write(ctx, record)
            _mount_here(made)
        else:
            pid = holder.start(made)
            record = record._replace(pid=pid, pid_start=holder.start_time(pid))
            _write(ctx, record)
    except OSError as error:
        _forget(ctx, record)
        raise Denied(f"cannot mount {name}: {error.strerror}") from None
    return _path(ctx, record)


def _inert(mount: Mount) -> Mount:
    """The same without setuid programs and devices: on the host they are nobody's to use."""
    return replace(mount, options=",".join(filter(None, [mount.options, "nosuid,nodev"])))


def _is_machine_root() -> bool:
    """Whether a mount made here is seen by the rest of the machine."""
    return sum(each.length for each in userns.current_ids().uids) >= (1 << 32) - 1


def _mount_here(made: tuple[Mount, ...]) -> None:
    from lamina.mount.apply import apply  # loads ctypes

    for each in made:
        apply(each)


def _detach(ctx: Containers, record: _Record) -> None:
    if record.pid:
        holder.stop(record.pid, record.pid_start)
        return
    paths = mounts_below(f"{_folder(ctx)}/{record.key}")
    if paths:
        from lamina.mount.apply import unmount  # loads ctypes

        for path in paths:
            unmount(path)


def _alive(ctx: Containers, key: str) -> _Record | None:
    """The record of a mount that is really there; what is left of another is cleared away."""
    record = _read(ctx, key)
    if record is None:
        return None
    if record.pid:
        there = holder.start_time(record.pid) == record.pid_start
    else:
        there = bool(mounts_below(f"{_folder(ctx)}/{key}/root"))
    if not there:
        _forget(ctx, record)
        return None
    return record


def _forget(ctx: Containers, record: _Record) -> None:
    _detach(ctx, record)  # first of all: what is mounted must not be deleted
    remove_tree(f"{_folder(ctx)}/{record.key}")
    if record.key.startswith(_VIEW):
        probe.named(record.snapshotter, ctx.layers.layout).remove(record.key)
        with ctx.layers.db.write(durable=False) as c:
            cachedb.delete_writable(c, record.key)


def _path(ctx: Containers, record: _Record) -> str:
    inside = f"{_folder(ctx)}/{record.key}/root"
    return f"/proc/{record.pid}/root{inside}" if record.pid else inside


def _folder(ctx: Containers) -> str:
    return f"{ctx.layers.layout.root}/mounts"


def _write(ctx: Containers, record: _Record) -> None:
    with open(f"{_folder(ctx)}/{record.key}/{_RECORD}", "w") as file:
        json.dump(record._asdict(), file)


def _read(ctx: Containers, key: str) -> _Record | None:
    try:
        with open(f"{_folder(ctx)}/{key}/{_RECORD}") as file:
            return _Record(**json.load(file))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None
