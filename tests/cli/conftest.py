"""A store with a small image in it, for the tests that run the program itself."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import make_base, remove
from tests.e2e.lamina_command import Lamina
from tests.machine import quick_place

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def program() -> Iterator[Lamina]:
    """Lamina with the image `busybox`; the tests of a module share it."""
    folder = tempfile.mkdtemp(prefix="lamina-cli-", dir=quick_place())
    lamina = Lamina(Path(folder) / "root")
    make_base(lamina, "busybox")
    yield lamina
    remove(folder)


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Path]:
    """A folder with a Dockerfile and a file."""
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        "FROM busybox AS base\nARG WHO=you\nCOPY hello /hello\n"
        'RUN echo made for $WHO; cat /hello > /made\nCMD ["cat", "/made"]\n'
    )
    (folder / "hello").write_text("hello\n")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
