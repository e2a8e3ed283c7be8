"""What layers did to each path, on random stacks: compared with trees that are built layer by layer."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from lamina.db import cachedb
from lamina.db.versions import Version, Versions, versions, versions_at
from lamina.errors import NotFound
from lamina.layers.write import LayerItem, write_layer
from lamina.oci.digest import DiffID, sha256
from lamina.tree.change import apply
from lamina.tree.entry import Entry, Kind
from lamina.tree.tree import Tree
from lamina.tree.whiteout import whiteout
from tests.layers.conftest import folder, make_store, store

if TYPE_CHECKING:
    from lamina.layers.context import Layers

__all__ = ["folder", "make_store", "store"]


def _layer(rng: random.Random, number: int) -> list[LayerItem]:
    """A few paths below a, b and c: files, folders (some opaque), links and whiteouts."""
    made: dict[bytes, LayerItem] = {}
    for _ in range(rng.randint(1, 7)):
        path = b"/".join(rng.choice((b"a", b"b", b"c")) for _ in range(rng.randint(1, 3)))
        if any(path.startswith(other + b"/") or other.startswith(path + b"/") for other in made):
            continue
        data = b"x" * rng.randint(0, 2) + b"%d" % number
        made[path] = rng.choice(
            (
                LayerItem(Entry(path, Kind.FILE, 0o644, size=len(data)), data),
                LayerItem(Entry(path, Kind.DIR, 0o755, opaque=rng.random() < 0.5)),
                LayerItem(Entry(path, Kind.SYMLINK, link=b"to")),
                LayerItem(whiteout(path)),
            )
        )
    return list(made.values())


def _stack(store: Layers, seed: int) -> list[DiffID]:
    rng = random.Random(seed)
    return [write_layer(store, _layer(rng, number)).diff_id for number in range(rng.randint(1, 6))]


@pytest.mark.parametrize("seed", range(40))
def test_every_state_between_is_the_tree_of_its_layers(store: Layers, seed: int) -> None:
    diff_ids, c = _stack(store, seed), store.db.read()
    found = {each.path: each for each in versions(c, diff_ids)}
    tree, paths = Tree(), set()
    for number, diff_id in enumerate(diff_ids):
        tree = apply(tree, cachedb.files(c, diff_id))
        paths |= {entry.path for entry in tree}
        for path, each in found.items():
            seen = each.after(number)
            entry = seen.entry._replace(opaque=False) if seen is not None and seen.entry is not None else None
            assert entry == tree.get(path)
    assert paths <= found.keys()
    assert {path for path, each in found.items() if each.now} == {entry.path for entry in tree}


@pytest.mark.parametrize("seed", range(20))
def test_a_part_is_the_same_as_in_the_whole(store: Layers, seed: int) -> None:
    diff_ids, c = _stack(store, seed), store.db.read()
    whole = list(versions(c, diff_ids))
    for each in whole:
        assert versions_at(c, diff_ids, each.path) == each
    for under in (b"a", b"b/c", b"a/a/a"):
        below = [each for each in whole if each.path == under or each.path.startswith(under + b"/")]
        assert list(versions(c, diff_ids, under)) == below
        direct = [each for each in below if each.path == under or each.path.rpartition(b"/")[0] == under]
        assert list(versions(c, diff_ids, under, deep=False)) == direct


def test_a_folder_comes_before_what_is_in_it(store: Layers) -> None:
    names = (b"a-b/f", b"a/f", b"a/b/f", b"a.d/f", b"a0/f")
    items = [LayerItem(Entry(name, Kind.FILE, 0o644, size=1), b"x") for name in names]
    diff_ids = [write_layer(store, items).diff_id]
    order = [each.path for each in versions(store.db.read(), diff_ids)]
    assert sorted(order) == sorted({*names, b"a", b"a-b", b"a/b", b"a.d", b"a0"})
    for path in order:
        parent = path.rpartition(b"/")[0]
        assert not parent or order.index(parent) < order.index(path)


def test_what_went_with_its_folder_is_told_as_a_loss(store: Layers) -> None:
    file = LayerItem(Entry(b"d/f", Kind.FILE, 0o644, size=1), b"x")
    layers = ([file], [LayerItem(whiteout(b"d"))], [file], [LayerItem(Entry(b"d", Kind.FILE, 0o644), b"")])
    diff_ids = [write_layer(store, items).diff_id for items in layers]
    found = versions_at(store.db.read(), diff_ids, b"d/f")
    assert found is not None
    assert [(each.layer, each.is_there) for each in found.versions] == [
        (0, True),
        (1, False),
        (2, True),
        (3, False),
    ]
    assert found.versions[1] == Version(1, None)
    assert found.now is None
    assert isinstance(found, Versions)


def test_a_layer_that_the_store_lacks_is_an_error(store: Layers) -> None:
    with pytest.raises(NotFound):
        list(versions(store.db.read(), [DiffID(sha256(b"nothing"))]))
