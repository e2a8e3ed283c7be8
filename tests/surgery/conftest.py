"""Stores to operate in; Hypothesis without a time limit for one example: machines that test are busy ones."""

from __future__ import annotations

from hypothesis import settings

from tests.layers.conftest import folder, make_store, store

__all__ = ["folder", "make_store", "store"]

settings.register_profile("lamina", deadline=None)
settings.load_profile("lamina")
