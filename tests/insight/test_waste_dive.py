"""Waste beside dive's own figures: its efficiency.go and analysis.go done over the archive by the oracle."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import pytest

from lamina.insight.rows import Rows
from lamina.insight.waste import waste
from tests.insight.archiving import asked, file, gone

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.insight.waste import Waste
    from lamina.layers.context import Layers
    from tests.insight import oracle
    from tests.insight.archiving import Stack


class Dive(NamedTuple):
    """What dive prints."""

    efficiency: float
    wasted: int
    user_percent: float


def dive(image: oracle.Image) -> Dive:
    """dive's figures for layers that delete no folders.

    Of each path all sizes are noted, 0 for a whiteout. The least of them is what it had to cost; a path that
    is in more than one layer wasted all of them.
    """
    sizes = defaultdict(list)
    for layer in image.layers:
        for entry in layer.entries.values():
            if entry.type != "dir":
                sizes[entry.path].append(entry.size)
        for path in layer.whiteouts:
            sizes[path].append(0)
    needed = sum(min(each) for each in sizes.values())
    everything = sum(sum(each) for each in sizes.values())
    wasted = sum(sum(each) for each in sizes.values() if len(each) > 1)
    user = sum(layer.size for layer in image.layers[1:])
    return Dive(needed / everything if everything else 1.0, wasted, wasted / user if user else 0.0)


def both(store: Layers, tmp_path: Path, layers: Stack) -> tuple[Waste, Dive]:
    one = asked(store, tmp_path / "image.tar", layers)
    return waste(Rows(store.db.read(), store.blobs, store.layout), one.image_id), dive(one.image)


def stack(seed: int, *, growing: bool) -> Stack:
    """Layers that write and delete files. With `growing` sizes differ, and paths come back."""
    rng = random.Random(seed)
    layers: Stack = []
    there: set[int] = set()
    deleted: set[int] = set()
    for layer in range(5):
        members = []
        for number in rng.sample(range(12), k=rng.randint(0, 8)):
            if number in there and rng.random() < 0.4:
                members.append(gone(f"d/{number}"))
                there.discard(number)
                deleted.add(number)
            elif growing or number not in deleted:
                content = f"{number:03}{rng.randrange(3)}" + "x" * (rng.randrange(50) if growing else 40)
                members.append(file(f"d/{number}", content, mtime=layer))
                there.add(number)
        layers.append(members)
    return layers


@pytest.mark.parametrize("seed", range(6))
def test_the_same_efficiency_where_copies_are_of_one_size(store: Layers, tmp_path: Path, seed: int) -> None:
    """And where nothing comes back that was deleted: to dive that costs nothing."""
    ours, theirs = both(store, tmp_path, stack(seed, growing=False))
    assert ours.efficiency == pytest.approx(theirs.efficiency)
    assert 0 < ours.hidden <= theirs.wasted


@pytest.mark.parametrize("seed", range(6))
def test_never_worse_than_dive_says(store: Layers, tmp_path: Path, seed: int) -> None:
    ours, theirs = both(store, tmp_path, stack(seed, growing=True))
    assert ours.efficiency >= theirs.efficiency - 1e-9
    assert ours.hidden <= theirs.wasted
    assert ours.user_wasted_percent <= theirs.user_percent


def test_n_copies_are_n_minus_1_too_many(store: Layers, tmp_path: Path) -> None:
    copies: Stack = [[file("a", "x" * 10, mtime=n)] for n in range(4)]
    ours, theirs = both(store, tmp_path, copies)
    assert (ours.hidden, theirs.wasted) == (30, 40)
    assert ours.efficiency == theirs.efficiency == 0.25
