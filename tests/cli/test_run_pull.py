"""lamina run of an image that the store lacks, and run --pull, against Debian's docker-registry."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import lamina, make_base
from tests.e2e.lamina_command import Lamina
from tests.registry.conftest import place, registry
from tests.registry.distribution import Registry

__all__ = ["lamina", "place", "registry"]
ONLINE = {"LAMINA_OFFLINE": ""}


@pytest.fixture
def name(lamina: Lamina, registry: Registry) -> str:
    """An image that the registry has, and the store no more."""
    make_base(lamina, "busybox")
    found = registry.name("app:1")
    lamina("push", "-q", "busybox", found, **ONLINE)
    return found


def test_what_is_missing_is_pulled(lamina: Lamina, registry: Registry, name: str) -> None:
    out, err = lamina.both("run", "--rm", name, "echo", "hello", **ONLINE)
    assert out == "hello\n"
    lines = err.splitlines()
    assert lines[:2] == [f"Unable to find image '{name}' locally", "1: Pulling from app"]
    assert lines[-1] == f"Status: Downloaded newer image for {name}"
    assert lamina.both("run", "--rm", name, "true", **ONLINE) == ("", "")


def test_quiet_and_never_and_always(lamina: Lamina, registry: Registry, name: str) -> None:
    said = lamina.both("run", "--rm", "--pull=never", name, "true", status=125, **ONLINE)[1]
    assert f"No such image: {name}" in said
    assert lamina.both("run", "-q", "--rm", name, "true", **ONLINE) == ("", "")
    said = lamina.both("run", "--rm", "--pull=always", name, "true", **ONLINE)[1]
    assert f"Status: Image is up to date for {name}" in said
    assert "Unable to find" not in said


def test_what_no_registry_has(lamina: Lamina, registry: Registry) -> None:
    missing = registry.name("none:1")
    said = lamina.both("run", "--rm", missing, "true", status=125, **ONLINE)[1]
    assert (
        f"No such image: {missing}; manifest for {missing} not found" in said or "pull access denied" in said
    )
    said = lamina.both("run", "--rm", missing, "true", status=125)[1]
    assert f"No such image: {missing}; cannot fetch {missing}: Lamina is offline here" in said
    said = lamina.both("run", "--rm", "sha256:" + "0" * 64, "true", status=125, **ONLINE)[1]
    assert "No such image: sha256:0000" in said
    said = lamina.both("run", "--pull=sometimes", missing, status=125)[1]
    assert "must be one of always, missing or never" in said
