"""df: the sums agree with the disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.db import containerdb
from lamina.gc.sweep import sweep
from lamina.gc.usage import Share, usage
from lamina.oci.digest import DiffID
from lamina.store.sync import tree_size

if TYPE_CHECKING:
    from tests.gc.making import Maker

    from lamina.gc.context import Context


def agrees(ctx: Context) -> None:
    found = usage(ctx)
    assert found.images.size + found.cache.size == tree_size(ctx.layout.diff)
    assert found.containers.size == tree_size(ctx.layout.mnt)
    assert found.blobs.size == tree_size(ctx.layout.blobs)


def test_an_empty_store(ctx: Context) -> None:
    assert usage(ctx) == (Share(0, 0, 0, 0),) * 5


def test_shares(ctx: Context, make: Maker) -> None:
    app, other = make.image("app", "a", "b"), make.image("other", "a", "c")
    make.container("run", app, containerdb.RUNNING)
    make.container("box", app)
    make.step("shared", make.diff("a").diff_id)
    make.step("alone", make.diff("d").diff_id)
    make.step("no layer", None)
    stray = ctx.blobs.put(b"nobody's")
    make.let_go()
    found = usage(ctx)
    assert found.images == Share(2, 1, 3000, 1000)
    assert found.containers == Share(2, 1, 1000, 500)
    assert found.cache == Share(2, 1, 1000, 1000)
    assert found.blobs.total == 5 and found.blobs.active == 4
    assert found.blobs.reclaimable == ctx.blobs.size(stray)
    agrees(ctx)
    freed = sweep(ctx, cache=True, all_images=True)
    assert freed.bytes >= 1000 + 1000 + found.blobs.reclaimable
    assert freed.images == (other.image_id,)
    agrees(ctx)
    assert usage(ctx).blobs.reclaimable == 0


def test_a_folder_that_a_crash_left_without_a_row(ctx: Context, make: Maker) -> None:
    make.image("app", "a")
    stray = ctx.layout.diff_dir(DiffID("sha256:" + "e" * 64))
    os.mkdir(stray)
    with open(stray + "/file", "wb") as file:
        file.write(bytes(700))
    agrees(ctx)
    assert usage(ctx).cache == Share(0, 0, 700, 700)
    assert sweep(ctx, cache=False, all_images=False).bytes == 700
    agrees(ctx)
