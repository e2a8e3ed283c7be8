"""Stores to operate in."""

from __future__ import annotations

from tests.layers.conftest import folder, make_store, store

__all__ = ["folder", "make_store", "store"]
