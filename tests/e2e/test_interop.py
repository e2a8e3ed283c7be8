"""Other tools read what `lamina save` writes and show our tree; what docker saves loads here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.testing.docker_engine import DockerEngine, docker_engine, missing
from tests.e2e.conftest import NO_BASES, make_base
from tests.e2e.lamina_command import REPOSITORY, Lamina
from tests.e2e.trees import ADDED_BY_DOCKER, Seen, differences, of_folder, of_tar
from tests.machine import quick_place

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="other tools unpack owners and devices only as root"
)

# What an image can hold, in one: owners, modes, links, deletions, capabilities, attributes, odd names.
EVERYTHING = r"""
FROM busybox
COPY --chown=1000:1001 --chmod=640 data /data/owned
COPY data /data/plain
RUN ln /data/plain /data/hard && ln -s ../../outside /data/link && ln -s /no/where /data/dangling
RUN mkdir -p /deep/er/est "/a b"
RUN touch "/a b/$(printf 'new\nline')" && printf x > "$(printf '/\377\376')"
RUN chmod 4755 /data/plain && chmod 1777 /deep
RUN mknod /data/fifo p && mkfifo /data/pipe && rm -r /deep/er && mkdir /deep/er && touch /deep/er/again
RUN rm /data/hard && echo more >> /data/owned && chown 7:8 /deep && rm -r /tmp && touch /tmp
RUN ["busybox", "touch", "-d", "1999-12-31 23:59:59", "/data/old"]
CMD ["cat", "/data/owned"]
"""


def run(*args: str | Path) -> None:
    """Runs another tool; what it says is in the failure."""
    done = subprocess.run(list(map(str, args)), capture_output=True, timeout=600, check=False)
    assert done.returncode == 0, f"{args}: {done.stderr.decode(errors='replace')}"


def everything(lamina: Lamina, folder: Path) -> str:
    """Builds the image `everything`, with a capability and attributes on its files."""
    folder.mkdir()
    (folder / "data").write_text("some data\n")
    os.setxattr(
        folder / "data", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000")
    )
    (folder / "Dockerfile").write_text(EVERYTHING)
    make_base(lamina, "busybox")
    lamina.build("-t", "everything", folder)
    return "everything"


def service(example: str, base: str) -> Callable[[Lamina, Path], str]:
    """Makes an image of one of the examples."""

    def make(lamina: Lamina, folder: Path) -> str:
        make_base(lamina, base)
        lamina.build("-t", example, REPOSITORY / "examples" / example)
        return example

    return make


# Bases of 200 MB and more take minutes to make, and to be read by every tool: not in every run of the tests.
BOOTSTRAP = pytest.mark.skipif(bool(NO_BASES), reason=NO_BASES or "-")
IMAGES = {
    "everything": pytest.param(everything, id="everything"),
    "static": pytest.param(service("static", "busybox"), id="static"),
    "flask": pytest.param(service("flask", "debian"), id="flask", marks=BOOTSTRAP),
    "node": pytest.param(service("node", "node"), id="node", marks=BOOTSTRAP),
}


@pytest.fixture(params=list(IMAGES.values()), scope="module")
def image(
    request: pytest.FixtureRequest, bases: Lamina
) -> Iterator[tuple[Lamina, str, Path, dict[str, Seen]]]:
    """Lamina, the name of an image, its archive, and its tree as Lamina mounts it."""
    with tempfile.TemporaryDirectory(dir=quick_place()) as folder:
        name = request.param(bases, Path(folder) / "context")
        archive = Path(folder) / "image.tar"
        bases("save", "-o", archive, name)
        mounted = bases("mount", name).strip()
        try:
            ours = of_folder(Path(mounted))
        finally:
            bases("umount", name)
        yield bases, name, archive, ours


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder on tmpfs."""
    with tempfile.TemporaryDirectory(dir=quick_place()) as folder:
        yield Path(folder)


def need(program: str) -> None:
    """Skips the test where `program` is not installed."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


Image = tuple[Lamina, str, Path, dict[str, Seen]]


@pytest.mark.parametrize("transport", ["docker-archive", "oci-archive"])
def test_skopeo_and_umoci_read_what_we_save(image: Image, scratch: Path, transport: str) -> None:
    need("skopeo")
    need("umoci")
    lamina, name, archive, ours = image
    run("skopeo", "copy", "-q", f"{transport}:{archive}", f"oci:{scratch}/layout:it")
    run("umoci", "unpack", "--image", f"{scratch}/layout:it", scratch / "bundle")
    assert differences(ours, of_folder(scratch / "bundle" / "rootfs")) == []
    config = subprocess.check_output(["skopeo", "inspect", "--config", f"oci:{scratch}/layout:it"])
    assert json.loads(config)["rootfs"]["diff_ids"] == lamina.inspect(name)["RootFS"]["Layers"]


def test_umoci_reads_the_layout_itself(image: Image, scratch: Path) -> None:
    need("umoci")
    _, _, archive, ours = image
    with tarfile.open(archive) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # Debian's 3.11.2 has none
        tar.extractall(scratch / "layout")
    run("umoci", "unpack", "--image", f"{scratch}/layout:latest", scratch / "bundle")
    assert differences(ours, of_folder(scratch / "bundle" / "rootfs")) == []


def test_podman_reads_what_we_save(image: Image, scratch: Path) -> None:
    need("podman")
    _, name, archive, ours = image
    podman = [
        "podman",
        "--root",
        str(scratch / "root"),
        "--runroot",
        str(scratch / "run"),
        "--storage-driver=overlay",
    ]
    run(*podman, "load", "-q", "-i", archive)
    mounted = subprocess.check_output(
        [*podman, "image", "mount", f"docker.io/library/{name}"], text=True
    ).strip()
    try:
        assert differences(ours, of_folder(Path(mounted))) == []
    finally:
        run(*podman, "image", "umount", "-a")
        subprocess.run(["umount", "-l", str(scratch / "root" / "overlay")], capture_output=True, check=False)


@pytest.fixture(scope="module")
def docker() -> Iterator[DockerEngine]:
    """Debian's Docker engine, on a data folder of its own."""
    if why := missing():
        pytest.skip(why)
    with docker_engine(tempfile.mkdtemp(prefix="lamina-docker-", dir=quick_place())) as engine:
        yield engine


def test_docker_reads_what_we_save_and_we_read_what_docker_saves(
    image: Image, docker: DockerEngine, scratch: Path, lamina: Lamina
) -> None:
    ours_lamina, name, archive, ours = image
    docker("load", "-q", "-i", str(archive))
    (theirs,) = json.loads(docker("image", "inspect", name))
    mine = ours_lamina.inspect(name)
    assert theirs["Id"] == mine["Id"]
    assert theirs["RootFS"]["Layers"] == mine["RootFS"]["Layers"]
    docker("create", "--name", "exported", name)
    docker("export", "-o", str(scratch / "export.tar"), "exported")
    docker("rm", "exported")
    shown = {
        path: seen for path, seen in of_tar(scratch / "export.tar").items() if path not in ADDED_BY_DOCKER
    }
    expected = {path: seen for path, seen in ours.items() if path not in ADDED_BY_DOCKER}
    for tree in (shown, expected):
        for path in ("dev", "proc", "sys", "etc"):
            tree.pop(path, None)
    assert differences(expected, shown) == []

    docker("save", "-o", str(scratch / "docker.tar"), name)
    lamina("load", "-i", scratch / "docker.tar")
    again = lamina.inspect(name)
    assert again["Id"] == theirs["Id"]
    assert again["RootFS"]["Layers"] == theirs["RootFS"]["Layers"]
