"""Stores that are served."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lamina.layers.context import Layers
from tests.layers.conftest import folder, make_store, store
from tests.serving.site import Site, running

__all__ = ["folder", "make_store", "store"]


@pytest.fixture
def site(store: Layers) -> Iterator[Site]:
    """Open to all; told of every request."""
    with running(store, verbose=True) as made:
        yield made
