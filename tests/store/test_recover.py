"""What the dead leave behind goes; what the living have stays."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.oci.digest import DiffID, sha256
from lamina.store.lease import Lease, leases
from lamina.store.place import place_diff, take_diff
from lamina.store.recover import recover
from tests.store.processes import end, kill, line_of, spawn

if TYPE_CHECKING:
    from lamina.store.layout import Layout

LITTER = """
import os, sys
from lamina.store.layout import Layout
from lamina.store.lease import Lease
from lamina.store.blobs import BlobStore
layout = Layout(sys.argv[1])
lease = Lease.acquire(layout)
out = BlobStore(layout, lease).writer().__enter__()
out.write(b"half")
for folder in (layout.diff, layout.mnt):
    os.makedirs(f"{folder}/{lease.temp_name()}/a/b")
open(f"{layout.layers}/{lease.temp_name()}", "w").close()
print(lease.id, flush=True)
sys.stdin.read()
"""


def listing(layout: Layout) -> list[str]:
    return sorted(f"{folder}/{name}" for folder in layout.temp_folders() for name in os.listdir(folder))


def test_only_the_dead_are_cleaned_up_after(layout: Layout, lease: Lease) -> None:
    assert recover(layout) == []
    ours = f"{layout.diff}/{lease.temp_name()}"
    container = layout.snapshot_dir("c" * 64)
    os.mkdir(ours)
    os.mkdir(container)
    living, dying = spawn(LITTER, layout.root), spawn(LITTER, layout.root)
    alive_id, dead_id = line_of(living), line_of(dying)
    assert recover(layout) == []
    kill(dying)
    removed = recover(layout)
    assert len(removed) == 4 and all(dead_id in path for path in removed)
    assert len([path for path in listing(layout) if alive_id in path]) == 4
    assert os.path.isdir(ours) and os.path.isdir(container)
    assert sorted(leases(layout)) == sorted([lease.id, alive_id])
    kill(living)
    assert len(recover(layout)) == 4
    assert listing(layout) == sorted([ours, container])


def test_no_store_is_no_trouble(layout: Layout) -> None:
    assert recover(layout) == []
    assert not os.path.exists(layout.root)


def test_a_recovery_that_dies_is_recovered(layout: Layout, lease: Lease) -> None:
    process = spawn(LITTER, layout.root)
    dead_id = line_of(process)
    kill(process)
    code = """
import os, sys
import lamina.store.recover as recover
from lamina.store.layout import Layout
real = recover.remove_tree
def die(path):
    real(path)
    os.kill(os.getpid(), 9)
recover.remove_tree = die
recover.recover(Layout(sys.argv[1]))
"""
    for _ in range(3):
        end(spawn(code, layout.root))
    assert dead_id in leases(layout)
    recover(layout)
    assert listing(layout) == [] and leases(layout) == [lease.id]


def test_a_layer_is_placed_once_and_taken_once(layout: Layout, lease: Lease) -> None:
    diff_id = DiffID(sha256(b"layer"))
    first, second = (f"{layout.diff}/{lease.temp_name()}" for _ in range(2))
    for temp in (first, second):
        os.mkdir(temp)
        with open(f"{temp}/file", "w") as file:
            file.write(temp)
    assert place_diff(layout, first, diff_id)
    assert not place_diff(layout, second, diff_id)
    assert os.path.isdir(second) and not os.path.exists(first)
    with open(f"{layout.diff_dir(diff_id)}/file") as file:
        assert file.read() == first
    taken = take_diff(layout, lease, diff_id)
    assert taken is not None and os.listdir(taken) == ["file"]
    assert take_diff(layout, lease, diff_id) is None
