"""docker, podman and umoci read what `copy`, `index push` and `save --since` write."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lamina.testing.docker_engine import docker_engine, missing
from tests.e2e.conftest import new_root
from tests.e2e.forked import Forked
from tests.machine import quick_place
from tests.registry.distribution import Registry, need, running

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(os.geteuid() != 0, reason="other tools unpack owners and devices only as root"),
]


DOCKERFILE = "FROM scratch\nCOPY big /\nCOPY --chmod=640 word /dir/\nCMD a\n"


@dataclass
class Shelf:
    """Images app:one and app:two, which differ in one file, and files that were made of them in `folder`."""

    lamina: Forked
    folder: Path
    registry: Registry

    def image_id(self, name: str) -> str:
        return str(self.lamina.inspect(name)["Id"])


@pytest.fixture(scope="module")
def shelf() -> Iterator[Shelf]:
    """What the tests of this module read."""
    folder = Path(tempfile.mkdtemp(prefix="lamina-copied-", dir=quick_place()))
    try:
        with new_root("copied") as made, running(folder / "registry") as registry:
            lamina = Forked(made.root)
            (folder / "Dockerfile").write_text(DOCKERFILE)
            (folder / "big").write_bytes(os.urandom(50_000))
            for word in ("one", "two"):
                (folder / "word").write_text(word)
                lamina("build", "-q", "-t", f"app:{word}", folder)
            name, online = registry.name("app"), {"LAMINA_OFFLINE": ""}
            for word in ("one", "two"):
                lamina("copy", "-q", f"app:{word}", f"docker://{name}:{word}", **online)
            lamina("save", "-o", folder / "one.tar", "app:one")
            lamina("save", "--since", "app:one", "-o", folder / "two.tar", "app:two")
            lamina(
                "copy", "-q", f"docker://{name}:two", f"docker-archive:{folder}/copied.tar:copied:1", **online
            )
            lamina("copy", "-q", f"docker://{name}:two", f"oci:{folder}/layout:copied", **online)
            lamina("index", "create", f"{name}:index", f"{name}:two", **online)
            lamina("index", "push", "-q", "--format", "docker", f"{name}:index", **online)
            yield Shelf(lamina, folder, registry)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.skipif(bool(missing()), reason=missing() or "-")
def test_docker(shelf: Shelf) -> None:
    with docker_engine(tempfile.mkdtemp(prefix="lamina-docker-", dir=quick_place())) as docker:
        with pytest.raises(AssertionError, match="no such file"):
            docker("load", "-q", "-i", f"{shelf.folder}/two.tar")
        for name in ("one", "two", "copied"):
            docker("load", "-q", "-i", f"{shelf.folder}/{name}.tar")
        rows = docker("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").decode()
        found = dict(line.split() for line in rows.splitlines())
        one, two = shelf.image_id("app:one"), shelf.image_id("app:two")
        assert found == {"app:one": one, "app:two": two, "copied:1": two}
        docker("pull", "-q", shelf.registry.name("app:index"))
        pulled = json.loads(docker("image", "inspect", shelf.registry.name("app:index")))
        assert pulled[0]["Id"] == two


def test_podman(shelf: Shelf) -> None:
    need("podman")
    with tempfile.TemporaryDirectory(dir=quick_place(), ignore_cleanup_errors=True) as data:
        flags = ["--root", f"{data}/root", "--runroot", f"{data}/run", "--storage-driver=vfs"]

        def podman(*args: str, fails: bool = False) -> str:
            done = subprocess.run(["podman", *flags, *args], capture_output=True, text=True, check=False)
            assert (done.returncode != 0) is fails, done.stderr
            return done.stdout

        podman("load", "-q", "-i", f"{shelf.folder}/two.tar", fails=True)
        for name in ("one", "two", "copied"):
            podman("load", "-q", "-i", f"{shelf.folder}/{name}.tar")
        found = podman("images", "-a", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}")
        rows = dict(line.removeprefix("docker.io/library/").split() for line in found.splitlines())
        assert rows["app:two"] == rows["copied:1"] == shelf.image_id("app:two")


def test_umoci(shelf: Shelf) -> None:
    need("umoci")
    bundle = shelf.folder / "bundle"
    command = ["umoci", "unpack", "--image", f"{shelf.folder}/layout:copied", str(bundle)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    word = bundle / "rootfs/dir/word"
    assert (word.read_text(), word.stat().st_mode & 0o777) == ("two", 0o640)
    assert (bundle / "rootfs/big").stat().st_size == 50_000
