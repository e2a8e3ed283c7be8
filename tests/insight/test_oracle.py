"""The oracle itself, by small stacks whose answers are plain, and against what a mount shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamina.layers.lookup import Lookup
from tests.insight import oracle
from tests.insight.archiving import (
    TRICKY,
    archive,
    asked,
    file,
    folder,
    gone,
    hard,
    link,
    opaque,
    random_layers,
)

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.layers.context import Layers
    from tests.insight.archiving import Stack


def _paths(state: oracle.State) -> set[str]:
    return {path.decode() for path in state}


def test_a_state_after_each_layer(tmp_path: Path) -> None:
    layers: Stack = [
        [folder("a"), file("a/x", "12"), hard("a/y", "a/x"), file("b", "3")],
        [gone("b"), file("a/x", "45", uid=9)],
        [folder("a"), opaque("a"), link("l", "a")],
        [file("a", "no folder")],
    ]
    image = oracle.only(archive(tmp_path / "a.tar", layers))
    assert [_paths(state) for state in image.states()] == [
        {"a", "a/x", "a/y", "b"},
        {"a", "a/x", "a/y"},
        {"a", "l"},
        {"a", "l"},
    ]
    assert [layer.size for layer in image.layers] == [3, 2, 0, 9]
    assert image.layers[0].entries[b"a/y"].is_hard_link
    assert image.events(b"a/x") == [(0, "added"), (1, "changed"), (2, "deleted")]
    assert image.events(b"a/y") == [(0, "added"), (2, "deleted")]
    assert image.events(b"b") == [(0, "added"), (1, "deleted")]
    assert image.owner(b"a") == 3
    assert image.state[b"l"].link == b"a"


@pytest.mark.parametrize("seed", [None, *range(8)])
def test_it_agrees_with_the_merged_view(store: Layers, tmp_path: Path, seed: int | None) -> None:
    layers = TRICKY if seed is None else random_layers(seed)
    found = asked(store, tmp_path / "a.tar", layers)
    lookup = Lookup(store, [layer.diff_id for layer in reversed(found.image.layers)])  # type: ignore[misc]
    state = found.image.state
    for path in {path for layer in found.image.layers for path in layer.entries}:
        seen, said = lookup.get(path), state.get(path)
        if said is None:
            assert seen is None, path
        else:
            assert seen is not None, path
            assert (seen.mode, seen.uid, seen.size) == (said.mode, said.uid, said.size), (path, seen, said)
            assert seen.digest == said.sha256
