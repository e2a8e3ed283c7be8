"""kill -9 at any moment, and several processes at once: the next one finds a store that is right."""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING

import pytest
from tests.gc.making import Maker, open_store
from tests.store.processes import end, kill, line_of, spawn

from lamina.db import imagedb, layerdb
from lamina.gc.recover import recover
from lamina.gc.sweep import sweep
from lamina.store.lease import leases

if TYPE_CHECKING:
    from pathlib import Path

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WRITER = """
import itertools, random, sys
sys.path.insert(0, sys.argv[2])
from tests.gc.making import Maker, open_store
from lamina.gc.images import remove_image
from lamina.gc.recover import recover
from lamina.gc.sweep import sweep
from lamina.errors import NotFound
ctx = open_store(sys.argv[1])
recover(ctx.layout, ctx.db)
make = Maker(ctx)
pick = random.Random(int(sys.argv[3]))
print("ready", flush=True)
rounds = itertools.count() if sys.argv[4] == "forever" else range(int(sys.argv[4]))
for _ in rounds:
    words = pick.sample("abcdef", 3)
    make.image("app" + words[0], *words)
    make.step("step " + words[1], make.diff(words[1], blob=words[1].encode() * 5000).diff_id)
    if pick.random() < 0.4:
        try:
            remove_image(ctx, "app" + pick.choice("abcdef"), force=True)
        except NotFound:
            pass
    if pick.random() < 0.2:
        make.let_go()
        sweep(ctx, cache=pick.random() < 0.5, all_images=pick.random() < 0.3, dangling=True)
ctx.db.close()
ctx.lease.release()
"""


def whole(root: str) -> None:
    """Opens the store as the next command does; rows, blobs and folders agree, and nothing is left over."""
    ctx = open_store(root)
    try:
        recover(ctx.layout, ctx.db)
        c = ctx.db.read()
        assert c.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert leases(ctx.layout) == [ctx.lease.id]
        for folder in ctx.layout.temp_folders():
            assert not [name for name in os.listdir(folder) if name.startswith(".tmp-")]
        for diff in layerdb.diffs(c):
            assert os.path.isdir(ctx.layout.diff_dir(diff.diff_id)), "a row without its folder"
            assert diff.blob is None or ctx.blobs.read(diff.blob)
        for layer in layerdb.layers(c):
            assert os.path.exists(ctx.layout.layer_file(layer.chain_id)), "a row without its file"
        for image in imagedb.images(c):
            ctx.blobs.read(image.manifest)
            for chain_id in imagedb.layers_of(c, image.image_id):
                assert layerdb.chain(c, chain_id)
        for blob in ctx.blobs.walk():
            ctx.blobs.read(blob.digest)
        sweep(ctx, cache=False, all_images=False)
        Maker(ctx).check()
    finally:
        ctx.db.close()
        ctx.lease.release()


def test_a_writer_killed_at_random_moments(tmp_path: Path) -> None:
    root = str(tmp_path / "root")
    pick = random.Random(1)
    for number in range(12):
        writer = spawn(WRITER, root, ROOT, str(number), "forever")
        assert line_of(writer) == "ready"
        time.sleep(pick.random() * 0.15)
        kill(writer)
        whole(root)


def test_two_writers_and_one_dies(tmp_path: Path) -> None:
    root = str(tmp_path / "root")
    for number in range(3):
        dying = spawn(WRITER, root, ROOT, str(number), "forever")
        lasting = spawn(WRITER, root, ROOT, str(number), "12")  # the same work
        assert (line_of(dying), line_of(lasting)) == ("ready", "ready")
        time.sleep(0.1)
        kill(dying)
        assert end(lasting) == 0
        whole(root)


DEATHS = [
    "os.fsync", "os.link", "os.rename", "os.unlink", "os.mkdir", "os.utime", "os.rmdir", "os.listdir",
]  # fmt: skip


@pytest.mark.parametrize("call", DEATHS)
def test_death_at_each_call_of_a_kind(tmp_path: Path, call: str) -> None:
    """The n-th call of one system call kills the process, just before it happens or just after."""
    root = str(tmp_path / "root")
    code = """
import os, sys
real = {call}
left = int(sys.argv[5])
def dying(*args, **kwargs):
    global left
    left -= 1
    if left == 0 and sys.argv[6] == "before":
        os.kill(os.getpid(), 9)
    result = real(*args, **kwargs)
    if left == 0:
        os.kill(os.getpid(), 9)
    return result
{call} = dying
""".replace("{call}", call)
    for number, when in (
        (1, "before"),
        (2, "after"),
        (5, "before"),
        (9, "after"),
        (17, "before"),
        (33, "after"),
    ):
        end(spawn(code + WRITER, root, ROOT, str(number), "5", str(number), when))
        whole(root)
