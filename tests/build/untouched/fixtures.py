"""The fixture `lab`: one for all tests of a file where we are root, as it takes a while to make.

Tests of an ordinary user run in children of their own (lamina.testing), each with its own.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina.store.files import remove_tree
from tests.build.untouched.lab import Lab
from tests.machine import quick_place

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def laboratory(*programs: str, folder: str = "") -> Iterator[Lab]:
    """A lab with programs of this machine beside the probes, in a new folder; nothing is left of it."""
    folder = folder or tempfile.mkdtemp(prefix="lamina-untouched-", dir=quick_place())
    made = Lab(Path(folder))
    try:
        made.make_base()
        made.add_programs("probe", "dynamic", "dynamic-rpath")
        made.add_host_programs(*programs)
        yield made
    finally:
        made.close()
        remove_tree(folder)
        shutil.rmtree(folder, ignore_errors=True)


def scope(fixture_name: str, config: object) -> str:
    """How long a lab is used."""
    return "module" if os.geteuid() == 0 else "function"


@pytest.fixture(scope=scope)  # type: ignore[arg-type]
def lab() -> Iterator[Lab]:
    """A store with the image `base`, in which steps are recorded."""
    with laboratory() as made:
        yield made
