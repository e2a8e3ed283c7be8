"""choose: by trying, by name, and with the reason when it cannot be."""

from __future__ import annotations

import os
import signal
import time

import pytest

from lamina.errors import InvalidInput, NoSpace, Unsupported
from lamina.mount import apply
from lamina.mount.types import Mount
from lamina.snapshot import probe
from lamina.snapshot.native import Native
from lamina.snapshot.overlay import Overlay
from lamina.store.layout import Layout
from lamina.store.lease import Lease
from lamina.store.recover import recover
from lamina.testing import isolate
from lamina.testing.trees import file, write


def _choose(name: str | None, root: str) -> str:
    layout = Layout(root)
    with Lease.acquire(layout) as lease:
        chosen = probe.choose(name, layout, lease)
        assert os.listdir(layout.mnt) == []
    return chosen.name


@pytest.mark.parametrize("ids", isolate.IDS)
def test_overlay_where_it_works(ids: isolate.Ids) -> None:
    def check(folder: str) -> None:
        for name in (None, "", "overlay"):
            assert _choose(name, folder + "/root") == "overlay"
        assert _choose("native", folder + "/root") == "native"

    isolate.run(check, ids)


def test_native_where_overlay_does_not_work() -> None:
    """An overlay cannot be the upper folder of another one."""

    def check(folder: str) -> None:
        for name in ("lower", "upper", "work", "store"):
            os.mkdir(f"{folder}/{name}")
        options = "userxattr"
        lowers = (folder + "/lower",)
        apply.apply(
            Mount(
                "overlay",
                folder + "/store",
                "overlay",
                lowers,
                folder + "/upper",
                folder + "/work",
                options=options,
            )
        )
        assert _choose(None, folder + "/store/root") == "native"
        with pytest.raises(Unsupported, match="does not work here: ") as caught:
            _choose("overlay", folder + "/store/root")
        assert "native" in (caught.value.hint or "")

    isolate.run(check, "one")


def test_the_old_way_of_mounting_is_tried_in_a_child() -> None:
    def check(folder: str) -> None:
        for name in ("lower", "upper", "work"):
            os.mkdir(f"{folder}/{name}")
        options = "userxattr"
        good = Mount(
            "overlay",
            folder,
            "overlay",
            (folder + "/lower",),
            folder + "/upper",
            folder + "/work",
            options=options,
        )
        assert probe.try_in_child(good) == ""
        assert apply.mounts_below(folder) == []
        bad = Mount("overlay", folder, "overlay", (folder + "/missing",), options=options)
        assert "No such file" in probe.try_in_child(bad)

    isolate.run(check, "one")


def test_an_unknown_name(tmp_path: os.PathLike[str]) -> None:
    with pytest.raises(InvalidInput, match="unknown snapshotter 'zfs'"):
        _choose("zfs", os.fspath(tmp_path))
    with pytest.raises(InvalidInput):
        probe.named("zfs", Layout(os.fspath(tmp_path)))
    assert isinstance(probe.named("native", Layout(os.fspath(tmp_path))), Native)
    assert isinstance(probe.named("overlay", Layout(os.fspath(tmp_path))), Overlay)


def test_a_snapshot_says_who_made_it(tmp_path: os.PathLike[str]) -> None:
    from lamina.errors import Conflict

    mnt = os.fspath(tmp_path)
    Native(mnt).prepare("key", [])
    with pytest.raises(Conflict, match="made by the native snapshotter"):
        Overlay(mnt).mounts("key", "/x")
    assert Overlay(mnt).stat("key").snapshotter == "native"
    Overlay(mnt).remove("key")
    assert list(Native(mnt).walk()) == []


def test_a_process_killed_while_it_prepares_leaves_nothing(tmp_path: os.PathLike[str]) -> None:
    layout = Layout(os.fspath(tmp_path) + "/root")
    layout.prepare()
    parent = write(layout.diff + "/base", *[file(f"{number}/{number}") for number in range(2000)])
    child = os.fork()
    if child == 0:
        try:
            lease = Lease.acquire(layout)
            while True:
                Native(layout.mnt).prepare(lease.temp_name(), [parent])
        finally:
            os._exit(1)
    while not os.listdir(layout.mnt):
        time.sleep(0.01)
    time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    recover(layout)
    assert os.listdir(layout.mnt) == []


def test_a_full_disk_leaves_nothing() -> None:
    def check(folder: str) -> None:
        apply.apply(Mount("tmpfs", folder, "tmpfs", options="size=3m"))
        os.mkdir(folder + "/mnt")
        parent = write(folder + "/base", file("big", os.urandom(2_000_000)))
        with pytest.raises(NoSpace, match="big: No space left"):
            Native(folder + "/mnt").prepare("key", [parent])
        assert os.listdir(folder + "/mnt") == []

    isolate.run(check, "one")
