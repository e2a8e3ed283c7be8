"""One registry for all faults, and a proxy before it; a client with little patience."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.proxy import PATIENCE, Proxy, before
from tests.machine import quick_place
from tests.registry.distribution import Registry, running


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder on tmpfs, gone after the test."""
    folder = tempfile.mkdtemp(prefix="lamina-faults-", dir=quick_place())
    yield Path(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    """Debian's docker-registry; `app:1` is for the tests of pull."""
    from tests.faults.test_pull_faults import MADE

    folder = Path(tempfile.mkdtemp(prefix="lamina-faults-registry-", dir=quick_place()))
    try:
        with running(folder / "registry") as made:
            made.push(MADE.layout(folder / "layout"), "app:1", "--preserve-digests")
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def proxy(registry: Registry) -> Iterator[Proxy]:
    """What the tests talk to."""
    with before(registry.port) as made:
        yield made


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short pauses between attempts, and little patience with silence."""
    monkeypatch.setattr("lamina.fetch.retrying._FIRST_PAUSE", 0.01)
    monkeypatch.setattr("lamina.fetch.connections.READ_TIMEOUT", PATIENCE)
