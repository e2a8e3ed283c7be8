"""The fixture `lab`: one for all tests of a file where we are root, as it takes a while to make.

Tests of an ordinary user run in children of their own (lamina.testing), each with its own.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.build.kitchen import opened
from tests.build.untouched.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def laboratory(*programs: str, folder: str = "") -> Iterator[Lab]:
    """A lab with programs of this machine beside the probes, in a new folder; nothing is left of it."""
    with opened(Lab, folder) as made:
        made.make_base()
        made.add_programs("probe", "dynamic", "dynamic-rpath")
        made.add_host_programs(*programs)
        yield made


def scope(fixture_name: str, config: object) -> str:
    """How long a lab is used."""
    return "module" if os.geteuid() == 0 else "function"


@pytest.fixture(scope=scope)  # type: ignore[arg-type]
def lab() -> Iterator[Lab]:
    """A store with the image `base`, in which steps are recorded."""
    with laboratory() as made:
        yield made
