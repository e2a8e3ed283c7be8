"""docker and podman push to a store that is served, and pull from it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.testing.docker_engine import docker_engine, missing
from tests.e2e.lamina_command import Lamina
from tests.machine import quick_place
from tests.registry.distribution import need
from tests.serving.test_command import build, served
from tests.serving.test_users import line

pytestmark = [pytest.mark.peers, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="lamina-serve-", dir=quick_place()))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_docker(folder: Path) -> None:
    here = Lamina(folder / "here")
    build(here, folder, "built")
    (folder / "htpasswd").write_text(line("worker", "a secret"))
    (folder / "dockerd").mkdir()
    config = ["--config", f"{folder}/config"]
    users = ["--htpasswd", f"{folder}/htpasswd", "--anonymous-pull"]
    with docker_engine(f"{folder}/dockerd") as docker, served(here, *users) as (host, log):
        docker("pull", "-q", f"{host}/built")  # by anybody
        docker("tag", f"{host}/built", f"{host}/team/back")
        with pytest.raises(AssertionError, match=r"denied|unauthorized"):
            docker("push", f"{host}/team/back")
        docker(*config, "login", "-u", "worker", "--password-stdin", host, stdin=b"a secret")
        docker(*config, "push", f"{host}/team/back")
        docker("rmi", f"{host}/team/back", f"{host}/built")
        docker("pull", "-q", f"{host}/team/back")
        image_id = docker("image", "inspect", "-f", "{{.Id}}", f"{host}/team/back").decode().strip()
        assert here("inspect", "-f", "{{.Id}}", "team/back").strip() == image_id
        assert here("inspect", "-f", "{{.Id}}", "built").strip() == image_id
        assert "Traceback" not in log.read_text()


def test_podman(folder: Path) -> None:
    need("podman")
    here = Lamina(folder / "here")
    build(here, folder, "built")
    flags = ["--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver=vfs"]

    def podman(*args: str) -> str:
        command = ["podman", *flags, *args]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    with served(here) as (host, _):
        podman("pull", "-q", "--tls-verify=false", f"{host}/built")
        podman("tag", f"{host}/built", f"{host}/team/back")
        podman("push", "-q", "--tls-verify=false", f"{host}/team/back")
        podman("push", "-q", "--tls-verify=false", "--format=v2s2", f"{host}/team/back", f"{host}/v2s2")
        podman("manifest", "create", "list")
        podman("manifest", "add", "--tls-verify=false", "list", f"docker://{host}/built")
        podman("manifest", "push", "--all", "--tls-verify=false", "list", f"docker://{host}/list")
        names = here("images", "--format", "{{.Repository}}").split()
        assert sorted(names) == ["built", "list", "team/back", "v2s2"]
        podman("rmi", "-f", f"{host}/built", f"{host}/team/back")
        podman("pull", "-q", "--tls-verify=false", f"{host}/list")
