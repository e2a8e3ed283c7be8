"""A store in a folder of its own."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from lamina.store.blobs import BlobStore
from lamina.store.layout import Layout
from lamina.store.lease import Lease

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lamina.mount.userns import IdMap


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(str(tmp_path / "root"))


@pytest.fixture
def lease(layout: Layout) -> Iterator[Lease]:
    with Lease.acquire(layout) as held:
        yield held


@pytest.fixture
def blobs(layout: Layout, lease: Lease) -> BlobStore:
    return BlobStore(layout, lease)


@pytest.fixture
def small_disk(tmp_path: Path, inside: IdMap) -> Iterator[str]:
    """A file system with room for 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=False)
    if made.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield str(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
