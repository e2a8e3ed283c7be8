"""An open store, and a Maker of layers and images in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.gc.making import Maker, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lamina.gc.context import Context


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    opened = open_store(str(tmp_path / "root"))
    yield opened
    opened.db.close()
    opened.lease.release()


@pytest.fixture
def make(ctx: Context) -> Maker:
    return Maker(ctx)
