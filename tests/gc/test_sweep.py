"""What a sweep takes, and what it leaves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.gc.making import open_store
from tests.store.processes import kill, line_of, spawn

from lamina.db import cachedb, imagedb, layerdb, leases, traces
from lamina.db.traces import Trace
from lamina.errors import Conflict
from lamina.gc.recover import recover
from lamina.gc.sweep import sweep
from lamina.oci.digest import DiffID, sha256

if TYPE_CHECKING:
    from tests.gc.making import Maker

    from lamina.gc.context import Context
    from lamina.mount.userns import IdMap


def diffs(ctx: Context) -> list[str]:
    return sorted(layer.created_by for layer in layerdb.layers(ctx.db.read()))


def test_an_empty_store(ctx: Context) -> None:
    assert sweep(ctx, cache=True, all_images=True, all_cache=True) == (0, (), (), (), (), 0, ())


def test_layers_of_images_and_steps_stay(ctx: Context, make: Maker) -> None:
    make.image("app", "a", "b")
    make.step("key", make.chain("a", "c")[1].diff_id)
    loose = make.chain("a", "x", "y")
    make.let_go()
    freed = sweep(ctx, cache=False, all_images=False)
    assert set(freed.layers) == {layer.diff_id for layer in loose[1:]}
    assert freed.bytes == 2000 and freed.images == () and freed.blobs == () and freed.steps == 0
    assert diffs(ctx) == ["RUN a", "RUN b", "RUN c"]
    make.check()


def test_a_chain_on_a_layer_that_goes(ctx: Context, make: Maker) -> None:
    make.step("key", make.chain("base", "built")[1].diff_id)  # the base is in no image and no step
    make.let_go()
    sweep(ctx, cache=False, all_images=False)
    assert [diff.diff_id for diff in layerdb.diffs(ctx.db.read())] == [sha256(b"tar built")]
    assert diffs(ctx) == []
    make.check()


def test_the_cache_that_no_image_uses(ctx: Context, make: Maker) -> None:
    image = make.image("app", "a")
    make.step("in the image", make.diff("a").diff_id)
    make.step("not in it", make.diff("b").diff_id)
    make.step("no layer", None)
    make.let_go()
    freed = sweep(ctx, cache=True, all_images=False)
    assert freed.steps == 1 and freed.layers == (sha256(b"tar b"),)
    assert [step.key for step in cachedb.steps(ctx.db.read())] == ["in the image", "no layer"]
    freed = sweep(ctx, cache=True, all_images=False, all_cache=True)
    assert freed.steps == 2 and freed.layers == ()
    assert imagedb.images(ctx.db.read()) == [image]
    make.check()


def test_what_steps_read_goes_with_them_and_with_their_layers(ctx: Context, make: Maker) -> None:
    make.image("app", "a")
    keys = {"in the image": "a", "not in it": "b", "only read": "c"}
    for key, word in keys.items():
        diff = make.diff(word)
        if word != "c":
            make.step(key, diff.diff_id)
        with ctx.db.write() as tx:
            traces.put(tx, Trace("recipe", diff.diff_id, "", key, 0, None, "doubt"))
    make.let_go()

    def left() -> list[str]:
        return sorted(trace.step for trace in traces.candidates(ctx.db.read(), "recipe"))

    sweep(ctx, cache=False, all_images=False)  # no step has the layer c
    assert left() == ["in the image", "not in it"]
    sweep(ctx, cache=True, all_images=False)
    assert left() == ["in the image"]
    sweep(ctx, cache=True, all_images=False, all_cache=True)  # the layer stays, but the step is forgotten
    assert left() == []
    make.check()


def test_images_without_a_name_and_all_images(ctx: Context, make: Maker) -> None:
    named, nameless, in_use = make.image("app", "a"), make.image("", "a", "b"), make.image("", "c")
    make.container("box", in_use)
    make.let_go()
    assert sweep(ctx, cache=False, all_images=False).images == ()
    freed = sweep(ctx, cache=False, all_images=False, dangling=True)
    assert freed.images == (nameless.image_id,) and freed.untagged == ()
    assert set(freed.blobs) == {nameless.image_id, nameless.manifest}
    freed = sweep(ctx, cache=False, all_images=True)
    assert freed.images == (named.image_id,)
    assert freed.untagged == ("docker.io/library/app:latest",)
    assert diffs(ctx) == ["RUN c"]
    assert make.blobs() == {in_use.image_id, in_use.manifest}
    make.check()


def test_a_received_layer_archive_goes_with_its_layer(ctx: Context, make: Maker) -> None:
    kept, gone = make.diff("kept", blob=b"kept archive"), make.diff("gone", blob=b"gone archive")
    make.step("key", kept.diff_id)
    stray = ctx.blobs.put(b"nobody's")
    make.let_go()
    freed = sweep(ctx, cache=False, all_images=False)
    assert set(freed.blobs) == {gone.blob, stray}
    assert freed.bytes == 1000 + len(b"gone archive") + len(b"nobody's")
    assert make.blobs() == {kept.blob}


def test_leftovers_without_rows(ctx: Context, make: Maker) -> None:
    make.image("app", "a")
    make.let_go()
    layout = ctx.layout
    for folder in (layout.diff_dir(DiffID(sha256(b"orphan"))), layout.snapshot_dir("d" * 64)):
        os.makedirs(folder + "/below")
    with open(f"{layout.layers}/{'e' * 64}", "w") as file:
        file.write("left over")
    sweep(ctx, cache=False, all_images=False)
    make.check()


def test_a_damaged_manifest_keeps_every_blob(ctx: Context, make: Maker) -> None:
    image = make.image("app", "a")
    stray = ctx.blobs.put(b"nobody's")
    make.let_go()
    path = ctx.layout.blob(image.manifest)
    os.chmod(path, 0o644)
    with open(path, "w") as file:
        file.write("{}")
    assert sweep(ctx, cache=False, all_images=False).blobs == ()
    assert make.blobs() == {image.image_id, image.manifest, stray}


def test_a_context_that_is_gone_is_forgotten(ctx: Context) -> None:
    with ctx.db.write() as tx:
        for root in (ctx.layout.root, "/no/such/folder"):
            cachedb.put_stats(tx, root, {b"x": cachedb.Stat(1, 2, 3, 4, 5, 6, 7, "ab" * 32)})
    sweep(ctx, cache=True, all_images=False)
    assert cachedb.stats(ctx.db.read(), ctx.layout.root) and not cachedb.stats(
        ctx.db.read(), "/no/such/folder"
    )
    sweep(ctx, cache=True, all_images=False, all_cache=True)
    assert not cachedb.stats(ctx.db.read(), ctx.layout.root)


BUILDER = """
import os, sys
sys.path.insert(0, sys.argv[2])
from tests.gc.making import Maker, open_store
from lamina.db import leases
ctx = open_store(sys.argv[1])
make = Maker(ctx)
layers = make.chain("x", "y")
make.step("held", make.diff("z").diff_id)
ctx.blobs.put(b"a config to be")
os.makedirs(ctx.layout.snapshot_dir("b" * 64))
os.makedirs(ctx.layout.diff + "/" + "f" * 64)
with ctx.db.write(durable=False) as tx:
    leases.hold(tx, ctx.lease.id, leases.LAYER, layers[-1].chain_id)
    leases.hold(tx, ctx.lease.id, leases.IMAGE, sys.argv[3])
print("ready", flush=True)
sys.stdin.read()
"""


def test_what_a_living_process_works_with_stays_until_it_dies(ctx: Context, make: Maker) -> None:
    image = make.image("", "a")
    make.let_go()
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    builder = spawn(BUILDER, ctx.layout.root, here, image.image_id)
    assert line_of(builder) == "ready"
    try:
        freed = sweep(ctx, cache=True, all_images=True, all_cache=True)
        assert freed == (0, (), (), (), (), 0, ())
        assert diffs(ctx) == ["RUN a", "RUN x", "RUN y"]
        assert sha256(b"a config to be") in make.blobs()
        assert {"b" * 64} == set(os.listdir(ctx.layout.mnt)) and "f" * 64 in os.listdir(ctx.layout.diff)
    finally:
        kill(builder)
    recover(ctx.layout, ctx.db)
    assert leases.holders(ctx.db.read()) == []
    freed = sweep(ctx, cache=True, all_images=True)
    assert freed.images == (image.image_id,) and freed.steps == 1
    make.check()
    assert make.blobs() == set() and layerdb.diffs(ctx.db.read()) == []


def test_a_mounted_layer_is_a_clear_error(ctx: Context, make: Maker, inside: IdMap) -> None:
    import subprocess

    make.image("app", "a")
    make.let_go()
    orphan = ctx.layout.diff_dir(DiffID(sha256(b"orphan"))) + "/below"
    os.makedirs(orphan)
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", orphan], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    with pytest.raises(Conflict, match="mounted"):
        sweep(ctx, cache=False, all_images=False)
    left = [name for name in os.listdir(ctx.layout.diff) if name.startswith(".tmp-")]
    subprocess.run(["umount", f"{ctx.layout.diff}/{left[0]}/below"], check=True)
    with pytest.raises(AssertionError):
        make.check()
    ctx.lease.release()  # in good order, but with a folder left
    other = open_store(ctx.layout.root)
    sweep(other, cache=False, all_images=False)
    other.db.close()
    other.lease.release()
    make.check()


def test_writable_rows_of_dead_steps_go(ctx: Context, make: Maker) -> None:
    with ctx.db.write() as tx:
        cachedb.put_writable(tx, cachedb.Writable("step", None, "", "0" * 16))
        cachedb.put_writable(tx, cachedb.Writable("ours", None, "", ctx.lease.id))
        cachedb.put_writable(tx, cachedb.Writable("container", None, "", ""))
    recover(ctx.layout, ctx.db)
    assert [row.key for row in cachedb.writables(ctx.db.read())] == ["container", "ours"]
