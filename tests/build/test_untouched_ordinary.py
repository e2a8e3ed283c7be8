"""Rule 4 against its adversary, for an ordinary user: in a user namespace, with many IDs and with one.

Of the tables of the other files each has some cases here, and chance has a few rounds.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import random
from typing import TYPE_CHECKING

import pytest

import lamina
from lamina.testing import isolate
from tests.machine import THOROUGH, quick_place
from tests.trace.places import missing, share_device

from . import test_untouched_content as content
from . import test_untouched_fuzz as fuzz
from . import test_untouched_names as names
from . import test_untouched_programs as programs
from . import test_untouched_writes as writes
from .untouched.case import can_be_had, check
from .untouched.fixtures import laboratory
from .untouched.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.timeout(120)

IDS = ["many", "one"] if THOROUGH else ["one"]  # one ID is the harder half
STRIDE = 12 if THOROUGH else 24  # of so many cases one
TABLES = [
    *(content.CONTENT, content.ABOUT, content.LINKS, names.NAMES, names.LISTINGS, names.LINKS),
    *(writes.COPIED_UP, writes.MOVED, writes.MADE, writes.REMOVED),
    *(programs.LOADER, programs.PROGRAMS, programs.USERS_OF_A_STEP),
]  # fmt: skip


def as_user(test: Callable[[Lab], None], ids: isolate.Ids) -> None:
    """Calls `test` with a lab in a user namespace. Skips where that cannot be, or nothing can be recorded."""
    load_everything()

    def within(folder: str) -> None:
        if reason := missing():
            raise isolate.Skip(reason)
        with laboratory(folder=folder) as lab:
            test(lab)

    def with_device(folder: str) -> None:
        share_device(folder)
        isolate.run(within, ids, base=quick_place())

    try:
        if os.geteuid() == 0:
            isolate.run(with_device, "root", base=quick_place())
        else:
            isolate.run(within, ids, base=quick_place())
    except isolate.Skip as skip:
        pytest.skip(str(skip))


def load_everything() -> None:
    """Root's Python and this checkout may lie where nobody else can read."""
    for found in pkgutil.walk_packages(lamina.__path__, "lamina."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)


@pytest.mark.parametrize("ids", IDS)
def test_cases(ids: isolate.Ids) -> None:
    def test(lab: Lab) -> None:
        for number, table in enumerate(TABLES):
            for case in table[number % STRIDE :: STRIDE]:
                if can_be_had(case):
                    check(lab, case)

    as_user(test, ids)


@pytest.mark.parametrize("ids", IDS)
def test_chance(ids: isolate.Ids) -> None:
    def test(lab: Lab) -> None:
        for seed in range(2):
            fuzz.one_round(lab, random.Random(seed), sorted(fuzz.STEPS), f"seed {seed}")

    as_user(test, ids)
