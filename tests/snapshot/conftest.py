"""Where the tests of this room write."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session")
def base() -> str | None:
    """A folder on memory: thousands of small files are made and deleted. None: the usual place."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
