"""The door into the store: several processes at once, and what a crash leaves."""

from __future__ import annotations

import io
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from lamina.db import layerdb, leases
from lamina.gc.context import Context
from lamina.gc.sweep import sweep
from lamina.layers import commit
from lamina.layers.apply import apply_layer
from lamina.layers.commit import commit_empty, reuse_diff, stack
from lamina.layers.write import LayerItem, write_layer
from lamina.oci.digest import DiffID, chain_id
from lamina.store import layerfile
from lamina.store.recover import recover
from lamina.tree.entry import Entry, Kind
from tests.layers.stores import file, named, open_store, packed_bytes, rows, state, tar_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from lamina.db.connect import Transaction
    from lamina.layers.context import Layers

DATA = os.urandom(1 << 20)
ITEMS = [
    LayerItem(Entry(b"d/%d" % i, Kind.FILE, size=len(DATA) >> 4), DATA[: len(DATA) >> 4]) for i in range(30)
]
CREATED = "2026-01-02T03:04:05Z"


def in_child(work: Callable[[], object]) -> int:
    """Starts `work` in a process of its own; its PID."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return child


def test_many_processes_commit_the_same_layer(folder: str) -> None:
    root = f"{folder}/store"
    open_store(root)
    foreign = tar_of(file("f", os.urandom(1 << 18)), file("a"))

    def work() -> None:
        ctx = open_store(root)
        for _ in range(3):
            write_layer(ctx, ITEMS)
            apply_layer(ctx, io.BytesIO(foreign))
            commit_empty(ctx)

    for child in [in_child(work) for _ in range(4)]:
        assert os.waitpid(child, 0)[1] == 0
    ctx = open_store(root)
    recover(ctx.layout)
    diffs = layerdb.diffs(ctx.db.read())
    assert len(diffs) == 3
    assert sorted(os.listdir(ctx.layout.diff)) == sorted(diff.diff_id[7:] for diff in diffs)
    for diff in diffs:
        assert named(packed_bytes(ctx, diff.diff_id)) == diff.diff_id
    assert [blob.digest for blob in ctx.blobs.walk()] == [named(foreign)]


def test_a_killed_process_leaves_nothing_that_matters(folder: str) -> None:
    root = f"{folder}/store"
    ctx = open_store(root)
    diff = write_layer(open_store(f"{folder}/other"), ITEMS)
    before = state(ctx)
    for delay in (0.005, 0.01, 0.02, 0.04):
        child = in_child(lambda: write_layer(open_store(root), ITEMS))
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        recover(ctx.layout)
        temps = [name for name in os.listdir(ctx.layout.diff) if name.startswith(".")]
        assert temps == []
        committed = layerdb.get_diff(ctx.db.read(), diff.diff_id)
        assert committed in (None, diff)
        if committed is None and not os.path.exists(ctx.layout.diff_dir(diff.diff_id)):
            assert state(ctx) == before
    assert write_layer(ctx, ITEMS) == diff
    assert named(packed_bytes(ctx, diff.diff_id)) == diff.diff_id
    assert len(rows(ctx, diff.diff_id)) == 31


def test_a_stack_of_layers(store: Layers) -> None:
    made: list[layerdb.Layer] = []

    def put(c: object, diff: layerdb.Diff) -> None:
        parent = made[-1].chain_id if made else None
        made.append(stack(c, store, parent, diff, f"step {len(made)}", CREATED))  # type: ignore[arg-type]

    first = write_layer(store, ITEMS[:1], also=put)
    second = write_layer(store, ITEMS[1:2], also=put)
    commit_empty(store, also=put)
    assert [layer.depth for layer in made] == [1, 2, 3]
    assert made[1].chain_id == chain_id(made[0].chain_id, second.diff_id)
    assert layerdb.chain(store.db.read(), made[-1].chain_id) == made
    written = layerfile.read(store.layout, made[2].chain_id)
    assert written.parents == (second.diff_id, first.diff_id)
    assert (written.created_by, written.created) == ("step 2", CREATED)
    held = {(each.kind, each.name) for each in leases.held(store.db.read())}
    assert {(leases.DIFF, first.diff_id), (leases.LAYER, made[2].chain_id)} <= held
    again = made.pop()
    assert reuse_diff(store, again.diff_id, also=put) is not None
    assert made[-1] == again  # the first one stays


def test_a_layer_that_is_not_there_is_not_reused(store: Layers) -> None:
    assert reuse_diff(store, DiffID("sha256:" + "0" * 64)) is None


def test_a_stack_that_another_process_made_is_held_as_well(folder: str) -> None:
    first, second, sweeper = [open_store(f"{folder}/store") for _ in range(3)]
    for ctx in (first, second):
        made: list[layerdb.Layer] = []

        def put(c: object, diff: layerdb.Diff, ctx: Layers = ctx, made: list[layerdb.Layer] = made) -> None:
            parent = made[-1].chain_id if made else None
            made.append(stack(c, ctx, parent, diff, "step", CREATED))  # type: ignore[arg-type]

        for items in (ITEMS[:1], ITEMS[1:2]):
            write_layer(ctx, items, also=put)
    with first.db.write() as tx:  # as when it ends
        leases.drop(tx, [first.lease.id])
    with second.db.write() as tx:  # what it has but its stack
        tx.execute("DELETE FROM leases WHERE kind = ?", (leases.DIFF,))
    sweep(Context(*sweeper), cache=True, all_images=True)
    assert len(layerdb.chain(second.db.read(), made[-1].chain_id)) == 2


class SweptBefore:
    """A database in which a sweep happens between the look and the transaction."""

    def __init__(self, ctx: Layers, sweeper: Layers) -> None:
        self._db, self._sweeper = ctx.db, sweeper
        self.swept = 0

    def read(self) -> sqlite3.Connection:
        return self._db.read()

    def write(self, *, durable: bool = True) -> Transaction:
        if not self.swept:
            self.swept = len(sweep(Context(*self._sweeper), cache=True, all_images=True).layers)
        return self._db.write(durable=durable)


def test_a_layer_that_is_swept_before_its_commit_is_synced(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx, sweeper = open_store(f"{folder}/store"), open_store(f"{folder}/store")
    diff = write_layer(ctx, ITEMS)
    with ctx.db.write() as tx:
        leases.drop(tx, [ctx.lease.id])
    synced: list[str] = []

    def sync(path: str, count: int) -> None:
        assert os.path.isdir(path)
        synced.append(path)

    monkeypatch.setattr(commit, "sync_tree", sync)
    db = SweptBefore(ctx, sweeper)
    assert write_layer(ctx._replace(db=db), ITEMS) == diff  # type: ignore[arg-type]
    assert (db.swept, len(synced)) == (1, 1)
    assert named(packed_bytes(ctx, diff.diff_id)) == diff.diff_id
