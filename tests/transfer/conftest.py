"""Stores to move images between: those that the tests of layers use."""

from __future__ import annotations

from tests.layers.conftest import folder, make_store, store

__all__ = ["folder", "make_store", "store"]
