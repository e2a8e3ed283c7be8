"""Servers of the tests' own, and short pauses between attempts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import BinaryIO

import pytest

from tests.fetch.server import Site, serve


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as made:
        yield made


@pytest.fixture
def sink() -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as made:
        yield made


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamina.fetch.retrying._FIRST_PAUSE", 0.01)
