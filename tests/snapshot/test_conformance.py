"""Every snapshotter keeps every promise, whoever runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamina.snapshot.native import Native
from lamina.snapshot.overlay import Overlay
from lamina.testing import isolate
from lamina.testing.snapshotters import CHECKS, run

if TYPE_CHECKING:
    from lamina.testing.isolate import Ids
    from lamina.testing.snapshotters import Check


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("ids", isolate.IDS)
@pytest.mark.parametrize("backend", [Overlay, Native], ids=lambda backend: backend.name)
def test_snapshotter(backend: type[Overlay] | type[Native], ids: Ids, check: Check, base: str) -> None:
    isolate.run(lambda folder: run(check, backend, folder, ids), ids, base=base)
