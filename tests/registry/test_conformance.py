"""The conformance suite on Debian's docker-registry: that the suite asks for what registries do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lamina.testing.isolate import Skip
from lamina.testing.registries import CHECKS, Target, run
from tests.registry.distribution import PASSWORD, USER, Registry, own_registry

# What Distribution 2.8 does without.
_LACKS = {"referrers", "delete-tags", "order", "limits", "pages", "resume", "range-errors", "strict"}


@pytest.fixture(scope="module")
def guarded() -> Iterator[Registry]:
    with own_registry(users=True) as made:
        yield made


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_docker_registry(guarded: Registry, check: object) -> None:
    target = Target(f"http://{guarded.host}", USER, PASSWORD, lacks=_LACKS)
    try:
        run(check, target)  # type: ignore[arg-type]
    except Skip as skip:
        pytest.skip(str(skip))
