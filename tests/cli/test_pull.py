"""lamina pull, and build with --pull, as a user runs them, against Debian's docker-registry."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import lamina, remove
from tests.e2e.lamina_command import Lamina
from tests.e2e.ordinary import Ids, ordinary_lamina
from tests.machine import quick_place
from tests.registry.conftest import place, registry
from tests.registry.distribution import PASSWORD, USER, Registry, running
from tests.registry.images import image

__all__ = ["lamina", "place", "registry"]
MADE = image({"a": b"one"}, {"b": b"two"})


@pytest.fixture
def online(lamina: Lamina, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment in which registries are asked."""
    yield {"LAMINA_OFFLINE": ""}


def test_what_is_said(registry: Registry, lamina: Lamina, online: dict[str, str], place: Path) -> None:
    name = registry.push(MADE.layout(place / "layout"), "some/app:1.0", "--preserve-digests")
    one, two = (digest[7:19] for digest in MADE.layers)
    assert lamina("pull", name, **online).splitlines() == [
        "1.0: Pulling from some/app",
        f"{one}: Pulling fs layer",
        f"{two}: Pulling fs layer",
        f"{one}: Pull complete",
        f"{two}: Pull complete",
        f"Digest: {MADE.digest}",
        f"Status: Downloaded newer image for {name}",
        name,
    ]
    assert lamina("pull", name, **online).splitlines() == [
        "1.0: Pulling from some/app",
        f"Digest: {MADE.digest}",
        f"Status: Image is up to date for {name}",
        name,
    ]
    assert lamina("images", "--format", "{{.Repository}} {{.Tag}}") == f"{registry.host}/some/app 1.0\n"


def test_the_default_tag_and_quiet(
    registry: Registry, lamina: Lamina, online: dict[str, str], place: Path
) -> None:
    name = registry.push(MADE.layout(place / "layout"), "app", "--preserve-digests")
    assert lamina("image", "pull", "-q", name, **online) == f"{name}:latest\n"
    assert lamina("pull", name, **online).startswith("Using default tag: latest\nlatest: Pulling from app\n")


def test_platform(registry: Registry, lamina: Lamina, online: dict[str, str], place: Path) -> None:
    name = registry.push(image({"a": b""}, platform="linux/s390x").layout(place / "layout"), "app:1")
    _, err = lamina.both("pull", "--platform", "linux/riscv64", name, status=1, **online)
    assert "does not match the specified platform: wanted linux/riscv64, actual: linux/s390x" in err
    lamina("pull", "--platform", "linux/s390x", name, **online)
    assert lamina.inspect(name)["Architecture"] == "s390x"


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_credentials_of_docker(lamina: Lamina, online: dict[str, str], place: Path, tls: bool) -> None:
    with running(place / "r", users=True, tls=tls) as registry:
        name = registry.push(MADE.layout(place / "layout"), "app:1")
        online["DOCKER_CONFIG"] = online["HOME"] = str(place)
        _, err = lamina.both("pull", name, status=1, **online)
        assert f"pull access denied for {registry.host}/app, repository does not exist or may require" in err
        assert "hint: " in err
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (place / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
        lamina("pull", name, **online)


def test_build_with_pull(registry: Registry, lamina: Lamina, online: dict[str, str], place: Path) -> None:
    name = registry.push(MADE.layout(place / "one"), "app:1")
    (place / "Dockerfile").write_text(f"FROM {name}\nWORKDIR /w\n")
    out = lamina.both("build", "--progress=plain", place, **online)[1]
    assert f"pulling {name}\n" in out
    registry.push(image({"a": b"moved"}).layout(place / "two"), "app:1")
    assert "pulling" not in lamina.both("build", "--progress=plain", place, **online)[1]
    assert f"pulling {name}\n" in lamina.both("build", "--progress=plain", "--pull", place, **online)[1]
    assert "pulling" not in lamina.both("build", "--progress=plain", "--pull", place, **online)[1]


def test_an_image_that_is_nowhere(
    registry: Registry, lamina: Lamina, online: dict[str, str], place: Path
) -> None:
    (place / "Dockerfile").write_text(f"FROM {registry.host}/nosuch:1\n")
    err = lamina.both("build", place, status=1, **online)[1]
    assert f"Dockerfile:1:6: manifest for {registry.host}/nosuch:1 not found: {registry.host}: " in err
    assert "     |      ^" in err


def test_offline_switch(lamina: Lamina, place: Path) -> None:
    _, err = lamina.both("pull", "localhost:1/app", status=1, LAMINA_OFFLINE="1")
    assert err == (
        "lamina: cannot fetch localhost:1/app:latest: Lamina is offline here\n"
        "hint: LAMINA_OFFLINE=1, or offline = true in registries.toml, says so\n"
    )
    (place / "registries.toml").write_text("offline = true\n")
    environ = {"LAMINA_OFFLINE": "", "LAMINA_REGISTRIES": str(place / "registries.toml")}
    assert "is offline here" in lamina.both("pull", "localhost:1/app", status=1, **environ)[1]


def test_a_registry_that_is_not_there(lamina: Lamina, online: dict[str, str]) -> None:
    _, err = lamina.both("pull", "localhost:1/app:1", status=1, **online)
    assert err == "lamina: cannot fetch the manifest of localhost:1/app:1: localhost:1: connection refused\n"


def test_names_that_are_none(lamina: Lamina, online: dict[str, str]) -> None:
    assert "must be lowercase" in lamina.both("pull", "Nosuch", status=1, **online)[1]
    assert "tag can't be used with --all-tags/-a" in lamina.both("pull", "-a", "x:1", status=1, **online)[1]


def test_an_ordinary_program_pulls(registry: Registry, lamina: Lamina, place: Path) -> None:
    """The Engine as a library: the settings are those of the environment that it is given."""
    from lamina.engine.engine import Engine

    name = registry.push(MADE.layout(place / "layout"), "app:1", "--preserve-digests")
    with Engine.open(str(lamina.root), environ={"HOME": str(place)}) as engine:
        found = engine.pull(name)
    assert (found.digest, found.image_id) == (MADE.digest, MADE.image_id)


@pytest.mark.parametrize("ids", ["one", "many"])
def test_an_ordinary_user(registry: Registry, place: Path, ids: Ids) -> None:
    """Pulls, builds on it and runs it, with sub-IDs and with one ID; credentials are in the user's home."""
    folder = tempfile.mkdtemp(prefix="lamina-user-", dir=quick_place())
    try:
        user = ordinary_lamina(Path(folder), ids)
        user("save", "-o", user.folder / "base.tar", "busybox")
        name = registry.push(f"docker-archive:{user.folder}/base.tar", "busybox:1")
        user("rmi", "busybox")
        user("prune", "-af")
        (user.folder / "Dockerfile").write_text(f"FROM {name}\nRUN id -u > /who\n")
        user.owned(user.folder / "Dockerfile")
        user("build", "-t", "mine", user.folder, LAMINA_OFFLINE="")
        assert user("run", "--rm", "mine", "cat", "/who") == "0\n"
        assert "up to date" in user("pull", name, LAMINA_OFFLINE="")
    finally:
        remove(folder)
