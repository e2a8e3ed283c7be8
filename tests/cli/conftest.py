"""A store with a small image in it, for the tests that run the program itself."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import make_base, new_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.lamina_command import Lamina


@pytest.fixture(scope="module")
def program() -> Iterator[Lamina]:
    """Lamina with the image `busybox`; the tests of a module share it."""
    with new_root("cli") as made:
        make_base(made, "busybox")
        yield made


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
