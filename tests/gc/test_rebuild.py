"""The layers come back without the database."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from tests.db.making import WHEN
from tests.gc.making import Maker, open_store

from lamina.cachemounts import objects
from lamina.cachemounts.wanted import CacheWanted
from lamina.db import cachedb, cachemounts, layerdb
from lamina.fs import walk
from lamina.gc.rebuild import rebuild
from lamina.layers.context import Layers

if TYPE_CHECKING:
    from pathlib import Path


def scan(folder: str):  # type: ignore[no-untyped-def]
    """As on disk, with the owner and time that the test's layers have in their rows."""
    return [entry._replace(uid=0, gid=0, mtime=0) for entry in walk.scan(folder, read=walk.sha256)]


def test_a_lost_database(tmp_path: Path) -> None:
    ctx = open_store(str(tmp_path / "root"))
    make = Maker(ctx)
    one, two = make.chain("a", "b", "c"), make.chain("a", "x")
    mount = objects.make(Layers(*ctx), CacheWanted("/root/.cache", uid=0, mode=0o700, created_by="RUN make"))
    before = [layerdb.layers(ctx.db.read()), sorted(layerdb.diffs(ctx.db.read()))]
    files = {diff.diff_id: cachedb.files(ctx.db.read(), diff.diff_id) for diff in before[1]}  # type: ignore[union-attr]
    ctx.db.close()
    ctx.lease.release()
    for name in os.listdir(ctx.layout.root):
        if name.startswith("lamina.db"):
            os.unlink(f"{ctx.layout.root}/{name}")
    ctx = open_store(ctx.layout.root)
    assert layerdb.layers(ctx.db.read()) == []
    done = rebuild(ctx, scan)
    assert set(done.layers) == {layer.chain_id for layer in one + two} and done.lost == ()
    c = ctx.db.read()
    assert [layerdb.layers(c), sorted(layerdb.diffs(c))] == before
    assert {diff_id: cachedb.files(c, diff_id) for diff_id in files} == files
    assert layerdb.chain(c, one[-1].chain_id)[-1].created == WHEN
    assert cachemounts.mounts(c) == [mount]
    assert rebuild(ctx, scan) == done  # again changes nothing
    ctx.db.close()
    ctx.lease.release()


def test_what_is_damaged_is_left_out(tmp_path: Path) -> None:
    ctx = open_store(str(tmp_path / "root"))
    layers = Maker(ctx).chain("a", "b", "c")
    with ctx.db.write() as tx:
        for layer in reversed(layers):
            layerdb.delete_layer(tx, layer.chain_id)
            layerdb.delete_diff(tx, layer.diff_id)
    with open(f"{ctx.layout.diff_dir(layers[1].diff_id)}/file-b", "a") as file:
        file.write("more")
    done = rebuild(ctx, scan)
    assert done.layers == (layers[0].chain_id,)
    assert set(done.lost) == {layers[1].chain_id, layers[2].chain_id}
    shutil.rmtree(ctx.layout.diff_dir(layers[0].diff_id))
    ctx.db.close()
    ctx.lease.release()
