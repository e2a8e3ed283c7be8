"""Registries, images to push into them, and a store to pull into."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine import quick_place
from tests.registry.distribution import Registry, running
from tests.registry.liar import Liar, serve


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder on tmpfs, gone after the test."""
    folder = tempfile.mkdtemp(prefix="lamina-registry-", dir=quick_place())
    yield Path(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def registry(place: Path) -> Iterator[Registry]:
    """Debian's docker-registry, open to all, without TLS."""
    with running(place / "registry") as made:
        yield made


@pytest.fixture
def liar() -> Iterator[Liar]:
    """A registry that does what the test wants."""
    with serve() as made:
        yield made


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short pauses between attempts."""
    monkeypatch.setattr("lamina.fetch.retrying._FIRST_PAUSE", 0.01)
