"""Checks at the edges of size: many layers, many names, long ways down."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.fs.folders import Folders
from lamina.testing.snapshotters.bench import changes, hidden, names, put, read
from lamina.testing.trees import file, kinds, whiteout

if TYPE_CHECKING:
    from lamina.testing.snapshotters.bench import Bench

_MANY_NAMES = {"root": 30_000, "many": 11_000, "one": 11_000}  # making them takes seconds
_DEPTH = 300  # folders of 40 letters: three times as long as the longest path that a system call takes


def check_128_layers(bench: Bench) -> None:
    stack = [bench.layer(file("all", b"0"), file("deleted-1"))]
    for number in range(1, 128):
        deleted = whiteout(f"deleted-{number}")
        stack.insert(
            0,
            bench.layer(
                file(f"f{number}"), file("all", b"%d" % number), deleted, file(f"deleted-{number + 1}")
            ),
        )
    with bench.view(*stack) as root:
        assert read(root + "/all") == b"127"
        assert len(names(root)) == 127 + 2
    diff = bench.commit(stack, lambda root: os.unlink(root + "/f64"))
    assert kinds(diff) == {"f64": "w"}


def check_a_huge_folder(bench: Bench) -> None:
    count = _MANY_NAMES[bench.ids]
    base = bench.layer(*[file(f"d/{number:06}") for number in range(count)])
    key = bench.word()
    bench.snapshotter.prepare(key, [base])
    with bench.mounted(key) as root:
        os.unlink(root + "/d/010000")
        put(root + "/d/new")
        listed = os.listdir(root + "/d")
        assert len(listed) == count and "new" in listed and "010000" not in listed
    into = bench.new_diff()
    bench.snapshotter.commit(key, into, hidden=hidden([base]))
    assert changes(into) == {"d/010000": "w", "d/new": "f"}


def check_a_path_longer_than_system_calls_take(bench: Bench) -> None:
    names = [b"%040d" % number for number in range(_DEPTH)]
    base = bench.layer(file(b"/".join([*names, b"end"]), b"deep"), file("a"))

    def change(root: str) -> None:
        with Folders(root) as folders:
            deepest = folders.fd(b"/".join(names))
            fd = os.open("end", os.O_WRONLY | os.O_APPEND, dir_fd=deepest)
            os.write(fd, b"er")
            os.close(fd)

    diff = bench.commit([base], change)
    assert changes(diff) == {os.fsdecode(b"/".join([*names, b"end"])): "f"}
