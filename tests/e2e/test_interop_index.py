"""Other tools read the archives and layouts that a build for several platforms, or with options, writes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.oci.platform import host
from lamina.testing.docker_engine import DockerEngine, docker_engine, missing
from tests.e2e.lamina_command import Lamina
from tests.e2e.trees import of_folder
from tests.machine import quick_place

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="other tools unpack owners only as root")
HOST = host(os.uname().machine)
BOTH = "linux/amd64,linux/arm64"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A context that needs no base."""
    folder = tmp_path / "context"
    (folder / "files/sub").mkdir(parents=True)
    (folder / "files/one").write_text("1\n" * 1000)
    (folder / "files/sub/two").write_text("2\n")
    (folder / "Dockerfile").write_text(
        "FROM scratch\nCOPY --chown=7:8 files /data\nARG TARGETARCH\nCOPY files/one /$TARGETARCH\n"
    )
    return folder


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder on tmpfs."""
    with tempfile.TemporaryDirectory(dir=quick_place()) as folder:
        yield Path(folder)


def tool(*args: str | Path) -> str:
    """What another tool prints; skips where it is not installed."""
    if shutil.which(str(args[0])) is None:
        pytest.skip(f"{args[0]} is not installed")
    done = subprocess.run(list(map(str, args)), capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{args}: {done.stderr}"
    return done.stdout


@pytest.mark.parametrize("compression", ["gzip", "zstd", "uncompressed"])
@pytest.mark.parametrize("flags", [(), ("--platform", BOTH)], ids=["one", "several"])
def test_umoci_unpacks_every_platform_of_an_output(
    lamina: Lamina, source: Path, scratch: Path, compression: str, flags: tuple[str, ...]
) -> None:
    output = f"type=oci,dest={scratch}/x.tar,compression={compression}"
    lamina("build", "-q", *flags, "-t", "it", "-o", f"type=local,dest={scratch}/files", "-o", output, source)
    for arch in ("amd64", "arm64") if flags else (HOST.architecture,):
        layout = f"oci:{scratch}/{arch}:it"
        tool("skopeo", "--override-arch", arch, "copy", "-q", f"oci-archive:{scratch}/x.tar", layout)
        if compression != "zstd":  # Debian's umoci does not know it
            tool("umoci", "unpack", "--image", f"{scratch}/{arch}:it", scratch / f"bundle-{arch}")
            files = scratch / "files" / (f"linux_{arch}" if flags else "")
            mine = {path: seen._replace(uid=0, gid=0) for path, seen in of_folder(files).items()}
            theirs = of_folder(scratch / f"bundle-{arch}/rootfs")
            assert {path: seen._replace(uid=0, gid=0) for path, seen in theirs.items()} == mine
            assert theirs["data/sub/two"].uid == 7
        config = json.loads(tool("skopeo", "inspect", "--config", layout))
        assert config["architecture"] == arch


def test_skopeo_reads_a_layout_folder(lamina: Lamina, source: Path, scratch: Path) -> None:
    lamina(
        "build", "-q", "--platform", BOTH, "-t", "it", "-o", f"type=oci,tar=false,dest={scratch}/l", source
    )
    told = json.loads(tool("skopeo", "inspect", "--raw", f"oci:{scratch}/l:latest"))
    assert [m["platform"]["architecture"] for m in told["manifests"]] == ["amd64", "arm64"]


def test_podman_takes_its_platform_of_an_index(lamina: Lamina, source: Path, scratch: Path) -> None:
    lamina("build", "-q", "--platform", BOTH, "--provenance=true", "-t", "it", source)
    lamina("save", "--format", "oci-archive", "-o", scratch / "x.tar", "it")
    podman = ("podman", "--root", scratch / "root", "--runroot", scratch / "run", "--storage-driver=vfs")
    tool(*podman, "load", "-q", "-i", scratch / "x.tar")
    (found,) = json.loads(tool(*podman, "image", "inspect", "docker.io/library/it:latest"))
    assert found["Architecture"] == HOST.architecture
    assert found["Id"] == lamina.inspect("it")["Id"].removeprefix("sha256:")


@pytest.fixture(scope="module")
def docker() -> Iterator[DockerEngine]:
    """Debian's Docker engine, on a data folder of its own."""
    if why := missing():
        pytest.skip(why)
    with docker_engine(tempfile.mkdtemp(prefix="lamina-docker-", dir=quick_place())) as engine:
        yield engine


@pytest.mark.parametrize(
    "options", ["", ",compression=gzip", ",oci-mediatypes=false"], ids=["plain", "gzip", "docker-types"]
)
def test_docker_loads_a_docker_output(
    lamina: Lamina, source: Path, scratch: Path, docker: DockerEngine, options: str
) -> None:
    lamina("build", "-q", "-t", "out:1", "-o", f"type=docker,dest={scratch}/x.tar{options}", source)
    docker("load", "-q", "-i", f"{scratch}/x.tar")
    (theirs,) = json.loads(docker("image", "inspect", "out:1"))
    assert theirs["Id"] == lamina.inspect("out:1")["Id"]
    docker("rmi", "out:1")


def test_docker_loads_its_platform_of_an_index(
    lamina: Lamina, source: Path, scratch: Path, docker: DockerEngine
) -> None:
    lamina("build", "-q", "--platform", BOTH, "-t", "index:1", source)
    lamina("save", "-o", scratch / "x.tar", "index:1")
    docker("load", "-q", "-i", f"{scratch}/x.tar")
    (theirs,) = json.loads(docker("image", "inspect", "index:1"))
    assert theirs["Id"] == lamina.inspect("index:1")["Id"]
    docker("rmi", "index:1")


def test_docker_loads_a_squashed_image(
    lamina: Lamina, source: Path, scratch: Path, docker: DockerEngine
) -> None:
    lamina("build", "-q", "--squash", "-t", "squashed", source)
    lamina("save", "-o", scratch / "x.tar", "squashed")
    docker("load", "-q", "-i", f"{scratch}/x.tar")
    (theirs,) = json.loads(docker("image", "inspect", "squashed"))
    assert theirs["Id"] == lamina.inspect("squashed")["Id"] and len(theirs["RootFS"]["Layers"]) == 1
