"""A database in a file of its own, and rows to put in it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from lamina.db.connect import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lamina.mount.userns import IdMap


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database.open(str(tmp_path / "lamina.db")) as database:
        yield database


@pytest.fixture
def small_disk(tmp_path: Path, inside: IdMap) -> Iterator[str]:
    """A file system with room for 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False)
    if made.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield str(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
