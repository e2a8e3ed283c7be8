"""A root for the commands of a page."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import remove
from tests.e2e.lamina_command import Lamina
from tests.machine import quick_place


@pytest.fixture
def lamina() -> Iterator[Lamina]:
    """Lamina on a new root, which cannot lie below `tmp_path`: its files may be those of sub-IDs."""
    folder = tempfile.mkdtemp(prefix="lamina-page-", dir=quick_place())
    yield Lamina(Path(folder) / "one-image")
    remove(folder)
