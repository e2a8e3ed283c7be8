"""Checks of the bookkeeping: keys, kinds, and what becomes of a snapshot that is not committed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.errors import Conflict, InvalidInput, LaminaError, NotFound
from lamina.testing.snapshotters.bench import hidden, names, put, read
from lamina.testing.trees import file

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.testing.snapshotters.bench import Bench


def _raises(kind: type[LaminaError], act: Callable[[], object]) -> None:
    try:
        act()
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}")


def check_what_is_known_about_a_snapshot(bench: Bench) -> None:
    snapshotter = bench.snapshotter
    base, top = bench.layer(file("a")), bench.layer(file("b"))
    snapshotter.prepare("work", [top, base], volatile=True)
    snapshotter.view("look", [base])
    work, look = snapshotter.stat("work"), snapshotter.stat("look")
    assert (work.key, work.writable, work.parents, work.volatile) == ("work", True, (top, base), True)
    assert (look.key, look.writable, look.parents) == ("look", False, (base,))
    assert work.snapshotter == look.snapshotter == snapshotter.name
    assert list(snapshotter.walk()) == [look, work]


def check_a_key_is_used_once(bench: Bench) -> None:
    bench.snapshotter.prepare("key", [])
    _raises(Conflict, lambda: bench.snapshotter.prepare("key", []))
    _raises(Conflict, lambda: bench.snapshotter.view("key", []))
    bench.snapshotter.remove("key")
    bench.snapshotter.view("key", [])


def check_an_unknown_key(bench: Bench) -> None:
    snapshotter = bench.snapshotter
    _raises(NotFound, lambda: snapshotter.stat("no"))
    _raises(NotFound, lambda: snapshotter.usage("no"))
    _raises(NotFound, lambda: snapshotter.mounts("no", "/"))
    _raises(NotFound, lambda: snapshotter.changes("no", hidden=hidden([])))
    _raises(NotFound, lambda: snapshotter.commit("no", bench.new_diff(), hidden=hidden([])))
    snapshotter.remove("no")


def check_a_key_is_one_word(bench: Bench) -> None:
    for key in ("", ".", "..", "a/b", "../diff"):
        _raises(InvalidInput, lambda key=key: bench.snapshotter.prepare(key, []))  # type: ignore[misc]
        _raises(InvalidInput, lambda key=key: bench.snapshotter.remove(key))  # type: ignore[misc]


def check_a_view_cannot_be_committed(bench: Bench) -> None:
    bench.snapshotter.view("look", [])
    _raises(Conflict, lambda: bench.snapshotter.commit("look", bench.new_diff(), hidden=hidden([])))


def check_removing_drops_what_was_written(bench: Bench) -> None:
    base = bench.layer(file("a", b"old"))

    def change(root: str) -> None:
        put(root + "/a")
        os.makedirs(root + "/d/e")
        os.chmod(root + "/d", 0)

    key = bench.write([base], change)
    bench.snapshotter.remove(key)
    assert names(bench.folder + "/mnt") == []
    assert read(base + "/a") == b"old"


def check_what_a_killed_process_left_is_replaced(bench: Bench) -> None:
    os.makedirs(bench.folder + "/mnt/key/upper/half")
    _raises(NotFound, lambda: bench.snapshotter.stat("key"))
    assert list(bench.snapshotter.walk()) == []
    bench.snapshotter.prepare("key", [])
    with bench.mounted("key") as root:
        assert names(root) == []
    put(bench.folder + "/mnt/key/info.json", b"")  # what a power cut may leave
    _raises(NotFound, lambda: bench.snapshotter.stat("key"))
    bench.snapshotter.prepare("key", [])


def check_a_parent_that_is_not_there(bench: Bench) -> None:
    def use() -> None:
        bench.snapshotter.prepare("key", [bench.folder + "/diff/missing"])

    _raises(NotFound, use)
    assert names(bench.folder + "/mnt") == []


def check_usage_counts_what_was_written(bench: Bench) -> None:
    bench.snapshotter.prepare("key", [])
    before = bench.snapshotter.usage("key")
    with bench.mounted("key") as root:
        put(root + "/a", b"x" * 1_000_000)
        os.link(root + "/a", root + "/b")
    after = bench.snapshotter.usage("key")
    assert 1_000_000 <= after.size - before.size < 1_200_000
    assert after.inodes - before.inodes == 1


def check_a_snapshot_can_be_mounted_again(bench: Bench) -> None:
    """A container's, and also one whose process died before the commit."""
    base = bench.layer(file("a", b"1"))
    for volatile in (False, True):
        key = bench.write([base], lambda root: put(root + "/b", b"2"), volatile=volatile)
        with bench.mounted(key) as root:
            assert (read(root + "/a"), read(root + "/b")) == (b"1", b"2")
            os.unlink(root + "/a")
        with bench.mounted(key) as root:
            assert names(root) == ["b"]


def check_a_snapshot_can_be_kept_under_another_key(bench: Bench) -> None:
    """A failed step's: with what was written, without the parents that were temporary."""
    base, points = bench.layer(file("a", b"1")), bench.layer(file("point", b""))

    def change(root: str) -> None:
        put(root + "/b", b"2")
        os.unlink(root + "/a")

    key = bench.write([points, base], change, volatile=True)
    bench.snapshotter.keep(key, "kept")
    _raises(NotFound, lambda: bench.snapshotter.stat(key))
    bench.snapshotter.remove(key)
    assert bench.snapshotter.stat("kept").writable
    found = {entry.path for entry in bench.snapshotter.changes("kept", hidden=hidden([points, base]))}
    assert found >= {b"a", b"b"}
    assert b"point" not in found
    bench.snapshotter.prepare("other", [base])
    _raises(Conflict, lambda: bench.snapshotter.keep("other", "kept"))
    _raises(NotFound, lambda: bench.snapshotter.keep("nothing", "free"))
    bench.snapshotter.remove("kept")
    assert names(bench.folder + "/mnt") == ["other"]


def check_two_snapshots_of_one_parent_do_not_meet(bench: Bench) -> None:
    base = bench.layer(file("a", b"1"))
    one = bench.write([base], lambda root: put(root + "/a", b"2"))
    two = bench.write([base], lambda root: os.unlink(root + "/a"))
    with bench.mounted(one) as first, bench.mounted(two) as second, bench.view(base) as third:
        assert read(first + "/a") == b"2"
        assert names(second) == []
        assert read(third + "/a") == b"1"
