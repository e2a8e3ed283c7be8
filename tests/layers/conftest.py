"""Stores to work on, each with a lease of its own."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import pytest

from lamina.store.files import remove_tree
from tests.layers.stores import open_store
from tests.machine import quick_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.layers.context import Layers
    from lamina.mount.userns import IdMap


@pytest.fixture
def folder(inside: IdMap) -> Iterator[str]:
    """A folder on tmpfs, where files cost little."""
    path = tempfile.mkdtemp(prefix="lamina-layers-", dir=quick_place())
    yield path
    remove_tree(path)


@pytest.fixture
def make_store(folder: str) -> Iterator[Callable[[], Layers]]:
    """Makes stores, each with a lease of its own."""
    made: list[Layers] = []

    def make() -> Layers:
        made.append(open_store(f"{folder}/store{len(made)}"))
        return made[-1]

    yield make
    for each in made:
        each.db.close()
        each.lease.release()


@pytest.fixture
def store(make_store: Callable[[], Layers]) -> Layers:
    """One store."""
    return make_store()
