"""Kitchens on tmpfs: creating files on the disks of test machines is slow and uneven."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina.store.files import remove_tree
from tests.machine import quick_place

from .kitchen import Kitchen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.mount.userns import IdMap


@pytest.fixture
def kitchen(inside: IdMap) -> Iterator[Kitchen]:
    """A store with the image `busybox`, and an empty context."""
    folder = tempfile.mkdtemp(prefix="lamina-build-", dir=quick_place())
    made = Kitchen(Path(folder))
    try:
        made.add_busybox()
        yield made
    finally:
        made.close()
        remove_tree(folder)
        shutil.rmtree(folder, ignore_errors=True)
