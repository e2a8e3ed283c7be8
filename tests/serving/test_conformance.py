"""The conformance suite of registries on ours: all of it, with users, and nothing is lacking."""

from __future__ import annotations

import traceback
from pathlib import Path

from lamina.layers.context import Layers
from lamina.testing.isolate import Skip
from lamina.testing.registries import CHECKS, Target, run
from tests.serving.site import running
from tests.serving.test_users import users

__all__ = ["users"]


def test_lamina(store: Layers, users: Path) -> None:
    """One server for all checks: to start one for each would take longer than the checks."""
    failed: dict[str, str] = {}
    with running(store, htpasswd=str(users)) as site:
        for check in CHECKS:
            try:
                run(check, Target(f"http://{site.host}", "worker", "a secret"))
            except (Exception, Skip):
                failed[check.__name__] = traceback.format_exc(limit=-3)
    assert len(CHECKS) > 50
    assert not failed, "\n".join([f"{name}:\n{text}" for name, text in failed.items()])
