"""The conformance suite of registries on ours, all of it, with users."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.layers.context import Layers
from lamina.testing.isolate import Skip
from lamina.testing.registries import CHECKS, Target, run
from tests.serving.site import running
from tests.serving.test_users import users

__all__ = ["users"]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_lamina(store: Layers, users: Path, check: object) -> None:
    with running(store, htpasswd=str(users)) as site:
        try:
            run(check, Target(f"http://{site.host}", "worker", "a secret"))  # type: ignore[arg-type]
        except Skip as skip:
            raise AssertionError("ours lacks nothing") from skip
