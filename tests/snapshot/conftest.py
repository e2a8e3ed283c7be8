"""Where the tests of this room write."""

from __future__ import annotations

import pytest

from tests.machine import quick_place


@pytest.fixture(scope="session")
def base() -> str | None:
    """A folder on memory: thousands of small files are made and deleted. None: the usual place."""
    return quick_place()
