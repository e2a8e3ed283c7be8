"""A lease lives as long as its process, and no longer."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from lamina.store.blobs import BlobStore
from lamina.store.lease import Lease, alive, leases, living
from lamina.store.lock import NameLock
from lamina.store.recover import recover
from tests.store.processes import end, forked, kill, line_of, spawn

if TYPE_CHECKING:
    from lamina.store.layout import Layout

HOLD = """
import sys
from lamina.store.layout import Layout
from lamina.store.lease import Lease
lease = Lease.acquire(Layout(sys.argv[1]))
print(lease.id, flush=True)
sys.stdin.read()
"""


def test_alive_until_released(layout: Layout) -> None:
    lease = Lease.acquire(layout)
    assert alive(layout, lease.id) and list(living(layout)) == [lease.id]
    lease.release()
    lease.release()
    assert not alive(layout, lease.id) and leases(layout) == []


def test_alive_until_killed(layout: Layout) -> None:
    process = spawn(HOLD, layout.root)
    lease_id = line_of(process)
    assert alive(layout, lease_id)
    kill(process)
    assert not alive(layout, lease_id)
    assert leases(layout) == [lease_id]  # its file stays, for `recover` to clean up after it
    recover(layout)
    assert leases(layout) == []


def test_a_child_that_outlives_us_does_not_keep_it(layout: Layout) -> None:
    code = HOLD.replace(
        "sys.stdin.read()",
        "import os, subprocess\n"
        "sleeper = subprocess.Popen(['sleep', '60'], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)\n"
        "pid = os.fork()\n"
        "if pid == 0:\n    os.close(1); os.execvp('sleep', ['sleep', '60'])\n"
        "child = os.fork()\n"
        "if child == 0:\n    import time; os.close(1); time.sleep(60); os._exit(0)\n"
        "print(sleeper.pid, pid, child, flush=True)\n"
        "sys.stdin.read()\n",
    )
    process = spawn(code, layout.root)
    lease_id = line_of(process)
    children = [int(pid) for pid in line_of(process).split()]
    try:
        process.kill()
        process.wait()
        for _ in range(100):  # a child lets go as soon as it runs at all
            if not alive(layout, lease_id):
                break
            time.sleep(0.02)
        assert not alive(layout, lease_id)
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        end(process)


def test_a_forked_child_can_neither_end_nor_use_it(layout: Layout, lease: Lease) -> None:
    assert forked(lease.release) == 0
    assert alive(layout, lease.id)

    def look() -> None:
        assert alive(layout, lease.id)  # held by the parent

    assert forked(look) == 0


def test_temporary_names_differ(layout: Layout, lease: Lease) -> None:
    with Lease.acquire(layout) as other:
        names = [lease.temp_name() for _ in range(100)] + [other.temp_name() for _ in range(100)]
    assert len(set(names)) == 200


def test_a_stamp_is_later_than_what_was_written(layout: Layout, lease: Lease) -> None:
    path = f"{layout.diff}/file"
    for _ in range(5):
        with open(path, "w"):
            pass
        before = os.stat(path).st_mtime_ns
        now = lease.stamp(layout.diff)
        os.unlink(path)
        with open(path, "w"):
            pass
        assert before < now <= os.stat(path).st_mtime_ns
    assert os.listdir(layout.diff) == ["file"]


def test_one_holder_of_a_name_at_a_time(layout: Layout, lease: Lease) -> None:
    code = """
import sys
from lamina.store.layout import Layout
from lamina.store.lock import NameLock
for _ in range(200):
    with NameLock(Layout(sys.argv[1]), "x"):
        count = int(open(sys.argv[2]).read())
        open(sys.argv[2], "w").write(str(count + 1))
"""
    counter = f"{layout.root}/counter"
    with open(counter, "w") as file:
        file.write("0")
    processes = [spawn(code, layout.root, counter) for _ in range(3)]
    assert [end(process) for process in processes] == [0, 0, 0]
    with open(counter) as file:
        assert file.read() == "600"
    assert leases(layout) == [lease.id] == os.listdir(layout.leases)


def test_the_lock_of_a_dead_process_is_free_and_goes(layout: Layout, lease: Lease) -> None:
    code = """
import sys
from lamina.store.layout import Layout
from lamina.store.lock import NameLock
with NameLock(Layout(sys.argv[1]), "x"):
    print("have it", flush=True)
    sys.stdin.read()
"""
    process = spawn(code, layout.root)
    line_of(process)
    recover(layout)
    assert "lock-x" in os.listdir(layout.leases)
    kill(process)
    with NameLock(layout, "x"):
        pass
    process = spawn(code, layout.root)
    line_of(process)
    kill(process)
    recover(layout)
    assert os.listdir(layout.leases) == [lease.id]


def test_what_is_left_is_left_to_recover(layout: Layout) -> None:
    lease = Lease.acquire(layout)
    path = f"{layout.diff}/{lease.temp_name()}"
    os.makedirs(path + "/below")
    assert not lease.release()
    assert leases(layout) == [lease.id]
    assert not alive(layout, lease.id)
    assert recover(layout) == [path]
    assert leases(layout) == []


def test_idle_until_something_is_written(layout: Layout) -> None:
    lease = Lease.acquire(layout)
    began = living(layout)[lease.id]
    with lease.idle():
        assert living(layout)[lease.id] > time.time_ns()
        blobs = BlobStore(layout, lease)
        digest = blobs.put(b"data")
        assert began <= living(layout)[lease.id] <= next(blobs.walk()).mtime
        assert blobs.delete(digest, living(layout)[lease.id]) == 0
    with lease.idle():
        assert living(layout)[lease.id] > time.time_ns()
    assert living(layout)[lease.id] <= time.time_ns()
    lease.release()
