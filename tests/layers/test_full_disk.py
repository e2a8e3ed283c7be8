"""A full disk: a clear error, and the store as before."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import pytest

from lamina.errors import NoSpace
from lamina.fs.entries import Entries
from lamina.layers.apply import apply_layer
from lamina.layers.capture import capture
from lamina.layers.lookup import Lookup
from lamina.layers.write import LayerItem, write_layer
from lamina.mount import apply
from lamina.mount.types import Mount
from lamina.snapshot.probe import choose
from lamina.testing import isolate
from lamina.transfer.import_image import import_
from lamina.transfer.load import load
from lamina.tree.entry import Entry, Kind
from tests.layers.stores import file, open_store, state, tar_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.layers.context import Layers

BIG = os.urandom(1 << 20)
HUGE = tar_of(*[file(f"f{i}", BIG + b"%d" % i) for i in range(12)])


def on_small_disk(test: Callable[[Layers], object]) -> None:
    """Calls `test` with a store on a file system of 8 MiB."""

    def run(folder: str) -> None:
        apply.apply(Mount("tmpfs", folder, options="size=8m,mode=700"))
        ctx = open_store(folder + "/store")
        before = state(ctx)
        with pytest.raises(NoSpace):
            test(ctx)
        assert state(ctx) == before
        write_layer(ctx, [LayerItem(Entry(b"f", Kind.FILE, size=4), b"data")])  # there is room again

    try:
        isolate.run(run, "root" if os.geteuid() == 0 else "one")
    except isolate.Skip as skip:
        pytest.skip(str(skip))


def test_write() -> None:
    items = [LayerItem(Entry(b"%d" % i, Kind.FILE, size=len(BIG)), BIG) for i in range(12)]
    on_small_disk(lambda ctx: write_layer(ctx, items))


def test_apply() -> None:
    on_small_disk(lambda ctx: apply_layer(ctx, io.BytesIO(HUGE)))


def test_more_entries_than_room() -> None:
    def test(ctx: Layers) -> None:
        with Entries(lambda: f"{ctx.layout.diff}/{ctx.lease.temp_name()}", 400_000) as entries:
            for number in range(40_000):
                entries.put(Entry(b"%0300d" % number, Kind.DIR))

    on_small_disk(test)


def test_import() -> None:
    on_small_disk(lambda ctx: import_(ctx, io.BytesIO(HUGE), tag="x"))


def test_load_of_a_stream() -> None:
    on_small_disk(lambda ctx: load(ctx, io.BytesIO(HUGE)))


def test_capture_with_copies() -> None:
    def test(ctx: Layers) -> None:
        snapshotter = choose("native", ctx.layout, ctx.lease)
        snapshotter.prepare("c", [])
        target = ctx.layout.root + "/merged"
        os.mkdir(target)
        for mount in snapshotter.mounts("c", target):
            apply.apply(mount)
        with open(target + "/f", "wb") as out:
            out.write(BIG * 5)
        apply.unmount(target)
        try:
            capture(ctx, snapshotter, "c", Lookup(ctx, []), keep=True)
        finally:
            snapshotter.remove("c")

    on_small_disk(test)
