"""Hypothesis without a time limit for one example: machines that test are busy ones."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("lamina", deadline=None)
settings.load_profile("lamina")
