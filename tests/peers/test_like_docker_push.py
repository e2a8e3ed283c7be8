"""What Lamina pushes, docker, podman and skopeo pull, and the other way round; and what is said of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.testing.docker_engine import DockerEngine, docker_engine, missing
from tests.e2e.conftest import new_root
from tests.e2e.lamina_command import Lamina
from tests.machine import quick_place
from tests.registry.distribution import Registry, need, running

pytestmark = [pytest.mark.peers, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]
ONLINE = {"LAMINA_OFFLINE": ""}
DOCKERFILE = 'FROM scratch\nCOPY a /a\nCOPY b /b\nCOPY c /c\nCMD ["/a"]\n'


class Peers:
    """All that is compared: engines of their own, one registry, one image `name` of Lamina's."""

    def __init__(self, lamina: Lamina, registry: Registry, docker: DockerEngine, folder: Path) -> None:
        self.lamina = lamina
        self.registry = registry
        self.docker = docker
        self.folder = folder

    def image(self, name: str) -> str:
        """Builds an image of layers that no other one has."""
        context = self.folder / f"context-{name}"
        context.mkdir()
        (context / "Dockerfile").write_text(DOCKERFILE)
        for file in "abc":
            (context / file).write_bytes(os.urandom(50_000))
        self.lamina("build", "-q", "-t", name, context)
        return name

    def podman(self, *args: str, at: str = "podman") -> str:
        """Podman with a storage of its own, by name."""
        need("podman")
        at = f"{self.folder}/{at}"
        flags = [
            "--root",
            f"{at}/root",
            "--runroot",
            f"{at}/run",
            "--storage-driver",
            "vfs",
            "--tmpdir",
            f"{at}/tmp",
        ]
        done = subprocess.run(
            ["podman", *flags, *args], capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def digest(self, name: str) -> str:
        command = ["skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{name}"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def peers() -> Iterator[Peers]:
    folder = Path(tempfile.mkdtemp(prefix="lamina-peers-push-", dir=quick_place()))
    (folder / "docker").mkdir()
    try:
        with (
            running(folder / "registry") as registry,
            docker_engine(str(folder / "docker")) as docker,
            new_root("peers-push") as lamina,
        ):
            made = Peers(lamina, registry, docker, folder)
            made.image("app")
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("form", ["oci", "docker"])
def test_docker_pulls_what_was_pushed(peers: Peers, form: str) -> None:
    name = peers.registry.name(f"for-docker:{form}")
    peers.lamina("push", "--format", form, "app", name, **ONLINE)
    out = peers.docker("pull", name).decode()
    assert f"Digest: {peers.digest(name)}\n" in out
    (found,) = json.loads(peers.docker("inspect", name))
    ours = peers.lamina.inspect("app")
    assert (found["Id"], found["RootFS"]["Layers"]) == (ours["Id"], ours["RootFS"]["Layers"])


@pytest.mark.parametrize("compression", ["gzip", "zstd", "zstd:chunked", "uncompressed"])
def test_podman_pulls_what_was_pushed(peers: Peers, compression: str) -> None:
    name = peers.registry.name(f"for-podman:{compression.replace(':', '-')}")
    peers.lamina("push", "--compression", compression, "app", name, **ONLINE)
    peers.podman("pull", "-q", "--tls-verify=false", name)
    (found,) = json.loads(peers.podman("image", "inspect", name))
    ours = peers.lamina.inspect("app")
    assert ("sha256:" + found["Id"], found["RootFS"]["Layers"]) == (ours["Id"], ours["RootFS"]["Layers"])
    assert f"{name.rpartition(':')[0]}@{peers.digest(name)}" in found["RepoDigests"]


def test_what_docker_pushes_is_pulled(peers: Peers) -> None:
    name = peers.registry.name("by-docker:1")
    peers.docker(
        "load",
        stdin=subprocess.run(
            [*peers.lamina.argv, "save", "app"], env=peers.lamina.environ, capture_output=True, check=True
        ).stdout,
    )
    peers.docker("tag", "app", name)
    said = peers.docker("push", name).decode()
    digest = peers.digest(name)
    assert f"1: digest: {digest} size: " in said
    with new_root("by-docker") as there:
        assert f"Digest: {digest}\n" in there("pull", name, **ONLINE)
        assert there.inspect(name)["Id"] == peers.lamina.inspect("app")["Id"]
        other = peers.registry.name("by-docker-elsewhere:1")
        there("push", "-q", name, other, **ONLINE)
        assert peers.digest(other) == digest


@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_what_podman_pushes_is_pulled(peers: Peers, form: str) -> None:
    archive = peers.folder / f"podman-{form}.tar"
    own = peers.image(f"podman-{form}")  # podman remembers in which forms it saw the layers of another one
    peers.lamina("save", "-o", archive, own)
    peers.podman("load", "-q", "-i", str(archive), at=form)
    name = peers.registry.name(f"by-podman:{form}")
    peers.podman(
        "push", "-q", "--tls-verify=false", "--format", form, f"docker.io/library/{own}:latest", name, at=form
    )
    with new_root("by-podman") as there:
        assert f"Digest: {peers.digest(name)}\n" in there("pull", name, **ONLINE)
        assert there.inspect(name)["Id"] == peers.lamina.inspect(own)["Id"]


def steady(text: str) -> list[str]:
    """Lines of a push that do not depend on who is quicker: sorted where layers are at work at once."""
    text = re.sub("Mounted from .*", "Mounted from somewhere", text)
    lines = [
        line for line in text.splitlines() if not line.endswith(": Waiting") and ": digest: " not in line
    ]
    at_work = [line for line in lines if re.match("[0-9a-f]{12}: (?!Preparing)", line)]
    return [*(line for line in lines if line not in at_work), *sorted(at_work)]


def test_a_push_says_what_docker_says(peers: Peers) -> None:
    """The same image to the same registry, by one and the other: new, again, and to another repository."""
    ours, theirs = peers.registry.name("ours:1"), peers.registry.name("theirs:1")
    peers.lamina("push", "-q", "--format", "docker", "app", peers.registry.name("seed:1"), **ONLINE)
    peers.docker("pull", peers.registry.name("seed:1"))
    peers.docker("tag", peers.registry.name("seed:1"), theirs)
    peers.lamina("tag", "app", ours)
    for _ in range(2):
        said = peers.lamina("push", "--format", "docker", ours, **ONLINE)
        expected = peers.docker("push", theirs).decode()
        assert steady(said.replace("/ours", "/theirs")) == steady(expected)
        assert "1: digest: " in said and "1: digest: " in expected


def test_a_pull_says_what_docker_says(peers: Peers) -> None:
    name = peers.registry.name("both:1")
    peers.lamina("push", "-q", "--format", "docker", "app", name, **ONLINE)
    known = ("Verifying Checksum", "Download complete", "Waiting", "Already exists")
    peers.docker("pull", name)
    with new_root("both") as there:
        ours = there("pull", name, **ONLINE).splitlines()
    with new_root("nothing"):
        theirs = peers.docker("pull", name).decode().splitlines()
    assert theirs[-3:] == [
        ours[-3],
        ours[-2].replace("Downloaded newer image", "Image is up to date"),
        ours[-1],
    ]
    assert ours[0] == theirs[0] and not any(line.endswith(known) for line in ours)
