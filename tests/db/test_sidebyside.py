"""Two stacks side by side, on random ones: what differs is what differs between their merged views."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from lamina.db import sidebyside as pairing
from lamina.db.sidebyside import layer_pairs, pairs, shared_layers
from lamina.db.versions import versions
from lamina.errors import NotFound
from lamina.layers.write import LayerItem, write_layer
from lamina.oci.digest import DiffID, sha256
from lamina.tree.entry import Entry, Kind
from lamina.tree.whiteout import whiteout
from tests.db.test_versions import _layer
from tests.layers.conftest import folder, make_store, store

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from lamina.layers.context import Layers

__all__ = ["folder", "make_store", "store"]


def _stacks(store: Layers, seed: int) -> tuple[list[DiffID], list[DiffID]]:
    """Two stacks on a base of 0 to 4 layers."""
    rng = random.Random(seed)
    base, old, new = [
        [write_layer(store, _layer(rng, n + place)).diff_id for n in range(rng.randint(0, most))]
        for place, most in ((0, 4), (10, 3), (20, 3))
    ]
    return base + old, base + new


def _merged(c: sqlite3.Connection, stack: Sequence[DiffID]) -> dict[bytes, Entry]:
    return {each.path: each.now.entry for each in versions(c, stack) if each.now and each.now.entry}


@pytest.mark.parametrize("seed", range(60))
def test_what_differs(store: Layers, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = _stacks(store, seed)
    c = store.db.read()
    one, other = _merged(c, old), _merged(c, new)
    wanted = {path for path in one.keys() | other.keys() if one.get(path) != other.get(path)}
    found = list(pairs(c, old, new))
    assert {pair.path for pair in found} == wanted
    assert len(found) == len(wanted)
    for path, before, after in found:
        assert (before.entry if before else None) == one.get(path)
        assert (after.entry if after else None) == other.get(path)
    keys = [(pair.path.rpartition(b"/")[0], pair.path.rpartition(b"/")[2]) for pair in found]
    assert keys == sorted(keys)
    # What the layers that both begin with are not asked for changes nothing.
    monkeypatch.setattr(pairing, "shared_layers", lambda *_: 0)
    assert list(pairs(c, old, new)) == found
    for under in (b"a", b"b/c"):
        below = [pair for pair in found if pair.path == under or pair.path.startswith(under + b"/")]
        assert list(pairs(c, old, new, under)) == below


def test_of_equal_stacks_no_row_is_read(store: Layers) -> None:
    (old, _), c = _stacks(store, 3), store.db.read()
    assert old
    statements: list[str] = []
    c.set_trace_callback(statements.append)
    assert list(pairs(c, old, old)) == []
    c.set_trace_callback(None)
    assert not [text for text in statements if "mode" in text]


def test_layers_as_they_are(store: Layers) -> None:
    kept, gone, same = [
        LayerItem(Entry(b"a", Kind.DIR)),
        LayerItem(whiteout(b"a")),
        LayerItem(whiteout(b"b")),
    ]
    one, other = [write_layer(store, [first, same]).diff_id for first in (kept, gone)]
    c = store.db.read()
    (found,) = layer_pairs(c, one, other)
    assert found.old is not None and found.old.entry is not None and found.old.entry.kind is Kind.DIR
    assert found.new is not None and found.new.entry is not None and found.new.entry.kind is Kind.WHITEOUT


def test_shared_layers_and_layers_that_are_not_there(store: Layers) -> None:
    a, b, c = [DiffID(sha256(name)) for name in (b"a", b"b", b"c")]
    assert shared_layers([a, b], [a, c, b]) == 1
    assert shared_layers([a], [a, b]) == 1
    assert shared_layers([], [a]) == 0
    with pytest.raises(NotFound):
        list(pairs(store.db.read(), [a], [b]))
