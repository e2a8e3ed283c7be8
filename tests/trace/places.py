"""Stores with layers, recordings over them, and what a mount shows."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest
from tests.layers.stores import open_store
from tests.machine import quick_place

from lamina.fs import xattr
from lamina.layers.apply import apply_layer
from lamina.mount import apply, syscalls, userns
from lamina.sandbox.points import lay_points
from lamina.snapshot.overlay import Overlay
from lamina.testing import isolate, trees
from lamina.trace import support
from lamina.trace.recorder import Recorder, Recording
from lamina.trace.wire import Setting
from lamina.tree.readset import unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lamina.layers.context import Layers
    from lamina.mount.types import Mount
    from lamina.oci.digest import DiffID
    from lamina.testing.trees import Item
    from lamina.trace.wire import Traced


class Place:
    """A store, and a recorder for it."""

    def __init__(self, folder: str) -> None:
        self.ctx: Layers = open_store(f"{folder}/store")
        self.recorder = Recorder(setting_of(self.ctx), self.ctx.layout.diff)
        self.points = f"{folder}/points"
        lay_points(self.points)
        self.snapshotter = Overlay(self.ctx.layout.mnt)

    def close(self) -> None:
        self.recorder.close()
        self.ctx.db.close()
        self.ctx.lease.release()

    def layer(self, *items: Item) -> DiffID:
        """Commits a layer."""
        return apply_layer(self.ctx, io.BytesIO(trees.tar(*items))).diff_id

    @contextmanager
    def plain(self, chain: Sequence[DiffID]) -> Iterator[int]:
        """The overlay of the layers (top first) as ever: a descriptor of its root."""
        with self._opened(apply.detached(self._mount(chain))) as root:
            yield root

    @contextmanager
    def recorded(self, chain: Sequence[DiffID]) -> Iterator[Shown]:
        """The same over a recording."""
        with self.recorder.start(chain) as recording:
            shown = Shown(-1, recording)
            with self._opened(recording.mount(self._mount(chain))) as root:
                yield shown._replace(root=root)

    def _mount(self, chain: Sequence[DiffID]) -> Mount:
        key = self.ctx.lease.temp_name()
        parents = [*(self.ctx.layout.diff_dir(diff_id) for diff_id in chain), self.points]
        self.snapshotter.prepare(key, parents, volatile=True)
        return self.snapshotter.mounts(key, self.ctx.layout.snapshot_dir(key))[0]

    @contextmanager
    def _opened(self, mount: int) -> Iterator[int]:
        root = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=mount)
        os.close(mount)
        try:
            yield root
        finally:
            os.close(root)


class Shown(NamedTuple):
    """A mount over a recording."""

    root: int
    recording: Recording

    def finish(self, *changed: bytes) -> Traced:
        self.recording.ended()
        return self.recording.finish(changed)


def setting_of(ctx: Layers) -> Setting:
    ids = userns.current_ids()
    uids, gids = [
        tuple([(each.inside, each.inside + each.length - 1) for each in ranges])
        for ranges in (ids.uids, ids.gids)
    ]
    return Setting(ctx.layout.database, xattr.overlay_prefix().encode(), uids, gids)


def names(traced: Traced) -> set[str]:
    """What was seen: `path` was looked up, `path!` was not there, `path/` was listed."""
    assert traced.read_set is not None, traced.doubt
    found = unpack(traced.read_set)
    assert len(found.observed) == traced.paths
    return {
        os.fsdecode(path) + ("/" if listed else "" if value else "!")
        for (path, listed), value in zip(found.observed, found.values, strict=True)
    }


def view(root: int) -> dict[str, tuple[object, ...]]:
    """All that a mount shows, by path. What folders say of what is in them (links, size) is left out."""
    found: dict[str, tuple[object, ...]] = {}
    todo = [""]
    while todo:
        path = todo.pop()
        place = f"/proc/self/fd/{root}/{path}"
        info = os.lstat(place)
        attributes = tuple(
            (name, os.getxattr(place, name, follow_symlinks=False))
            for name in sorted(os.listxattr(place, follow_symlinks=False))
        )
        about: tuple[object, ...] = (stat.filemode(info.st_mode), info.st_uid, info.st_gid, attributes)
        if stat.S_ISDIR(info.st_mode):
            todo += [f"{path}/{name}".lstrip("/") for name in os.listdir(place)]
        else:
            about += (info.st_nlink, info.st_size, info.st_rdev)
        if path and not path.startswith(("dev", "proc", "sys", "etc/host", "etc/resolv.conf")):
            about += (info.st_mtime_ns,)
        if stat.S_ISREG(info.st_mode):
            with open(place, "rb") as file:
                about += (hashlib.sha256(file.read()).hexdigest(),)
        elif stat.S_ISLNK(info.st_mode):
            about += (os.readlink(place),)
        assert info.st_dev == os.fstat(root).st_dev
        found[path] = about
    return found


def missing() -> str:
    """Why nothing can be recorded on this machine; "" when it can."""
    found = support.why_not()
    if found:
        return found
    try:
        device = os.open("/dev/fuse", os.O_RDWR)  # it may be there, and the driver not
    except OSError as error:
        return f"/dev/fuse: {error.strerror}"
    is_fuse = os.fstat(device).st_rdev == os.makedev(10, 229)
    os.close(device)
    return "" if is_fuse else "/dev/fuse is something else"


def run(test: Callable[[Place], None], ids: isolate.Ids) -> None:
    """Calls `test` with a place, as root of the kind that is asked for; skips where nothing is recorded."""

    def within(folder: str) -> None:
        if reason := missing():
            raise isolate.Skip(reason)
        place = Place(folder)
        try:
            test(place)
        finally:
            place.close()

    def lend_device(folder: str) -> None:
        share_device(folder)
        isolate.run(within, ids, base=quick_place())

    try:
        if ids != "root" and os.geteuid() == 0:
            isolate.run(lend_device, "root", base=quick_place())
        else:
            isolate.run(within, ids, base=quick_place())
    except isolate.Skip as skip:
        pytest.skip(str(skip))


def share_device(folder: str) -> None:
    """Lets everybody use /dev/fuse, as on most machines, in this mount namespace."""
    if os.path.exists("/dev/fuse"):
        syscalls.mount("none", folder, "tmpfs", 0, "mode=1777")
        os.mknod(f"{folder}/fuse", stat.S_IFCHR | 0o666, os.stat("/dev/fuse").st_rdev)
        os.chmod(f"{folder}/fuse", 0o666)
        syscalls.mount(f"{folder}/fuse", "/dev/fuse", "", 4096, "")  # MS_BIND
