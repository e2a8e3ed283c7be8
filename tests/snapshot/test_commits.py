"""Both snapshotters turn any sequence of changes into a layer that shows what was written."""

from __future__ import annotations

import os
import shutil
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from lamina.snapshot.explicit import explicit_entries
from lamina.snapshot.native import Native
from lamina.snapshot.overlay import Overlay
from lamina.store.files import remove_tree
from lamina.testing import isolate
from lamina.testing.snapshotters.bench import Bench, difference, put, seen
from lamina.testing.trees import file, folder, symlink
from lamina.tree.entry import Entry, Kind
from tests.machine import THOROUGH

if TYPE_CHECKING:
    from collections.abc import Iterable

_PATHS = ("a", "b", "a/a", "a/b", "b/a", "a/a/a", "a/b/a", "a/a/b")
_Act = tuple[str, str, str]


def _act(root: str, act: _Act) -> None:
    """One change, as far as it is possible."""
    what, path, other = act[0], f"{root}/{act[1]}", f"{root}/{act[2]}"
    try:
        if what == "write":
            put(path, act[2].encode())
        elif what == "mkdir":
            os.makedirs(path)
        elif what == "remove":
            shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
        elif what == "make anew":
            shutil.rmtree(f"{root}/{act[1][0]}")
            os.makedirs(path)
        elif what == "move":
            shutil.move(path, other)
        elif what == "chmod":
            os.chmod(path, 0o700, follow_symlinks=True)
        elif what == "symlink":
            os.symlink("a", path)
    except (OSError, shutil.Error):
        pass


def _act_all(acts: list[_Act], root: str) -> None:
    for act in acts:
        _act(root, act)


_ACTS = st.tuples(
    st.sampled_from(["write", "mkdir", "remove", "make anew", "move", "chmod", "symlink"]),
    st.sampled_from(_PATHS),
    st.sampled_from(_PATHS),
)


@seed(20251123)
@given(st.lists(st.lists(_ACTS, max_size=7), min_size=1, max_size=3))
@settings(max_examples=150 if THOROUGH else 50, deadline=None, database=None)
def _check_acts(folder_: str, ids: isolate.Ids, layers: list[list[_Act]]) -> None:
    """Bench.commit compares what was written with what the layer shows; here the two backends as well."""
    results = []
    for backend in (Overlay, Native):
        os.mkdir(f"{folder_}/{backend.name}")
        bench = Bench(backend, f"{folder_}/{backend.name}", ids)
        stack = [bench.layer(file("a/a/a", b"1"), file("a/b", b"2"), folder("b", 0o711), symlink("b/a", "x"))]
        for acts in layers:
            stack.insert(0, bench.commit(stack, partial(_act_all, acts)))
        with bench.view(*stack) as root:
            results.append({path: entry._replace(mtime=0) for path, entry in seen(root).items()})
        remove_tree(f"{folder_}/{backend.name}")
    assert results[0] == results[1], difference(*results)


@pytest.mark.parametrize("ids", isolate.IDS)
def test_any_changes_come_back(ids: isolate.Ids, base: str | None) -> None:
    isolate.run(lambda folder: _check_acts(folder, ids), ids, base=base)


def test_opaque_folders_become_deletions() -> None:
    entries = [
        Entry(b"", Kind.DIR),
        Entry(b"d", Kind.DIR, opaque=True),
        Entry(b"d/keep", Kind.FILE),
        Entry(b"d/sub", Kind.DIR),
        Entry(b"new", Kind.DIR, opaque=True),
    ]
    asked = []

    def hidden(path: bytes) -> Iterable[bytes]:
        asked.append(path)
        return {b"d": [b"keep", b"sub", b"old"], b"d/sub": [b"x"]}.get(path, ())

    explicit = explicit_entries(entries, hidden)
    assert [(entry.path, str(entry.kind)) for entry in explicit] == [
        (b"", "d"),
        (b"d", "d"),
        (b"d/keep", "f"),
        (b"d/old", "w"),
        (b"d/sub", "d"),
        (b"d/sub/x", "w"),
        (b"new", "d"),
    ]
    assert not any(entry.opaque for entry in explicit)
    assert asked == [b"d", b"d/sub", b"new"]
