"""Layers of real images changed, moved, put on another base; other tools take and run what surgery makes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lamina import Engine
from lamina.oci.digest import ImageID
from lamina.oci.validate import validate
from lamina.testing.docker_engine import DockerEngine, docker_engine, missing
from lamina.transfer.image_view import image_view
from tests.e2e.test_surgery_real import seen
from tests.insight import oracle
from tests.machine import THOROUGH, quick_place

if TYPE_CHECKING:
    from tests.e2e.real_images import Real
    from tests.insight.oracle import Entry, Image

EPOCH = 1_650_000_000
MADE = f"made-by-surgery-{os.getpid()}"


def made(real: Real, *words: str, epoch: str = "") -> Image:
    """What a command makes of the image: valid in all its parts, and read from its archive."""
    try:
        real.lamina(*words, "-t", MADE, SOURCE_DATE_EPOCH=epoch)
        with tempfile.TemporaryDirectory(dir=quick_place()) as folder:
            real.lamina("save", "-o", Path(folder) / "image.tar", MADE)
            image = oracle.only(Path(folder) / "image.tar")
        with Engine.open(str(real.lamina.root)) as engine:
            validate(image_view(engine._opened.ctx, ImageID(image.config_digest)))
        return image
    finally:
        subprocess.run(
            [*real.lamina.argv, "rmi", "-f", MADE], env=real.lamina.environ, capture_output=True, check=False
        )


def diff_ids(image: Image) -> list[str]:
    return [layer.diff_id for layer in image.layers]


def changed(before: Image, after: Image, **plain: int) -> list[bytes]:
    """The paths at which two images differ, with some fields of folders set to the same."""
    a, b = (
        {
            path: (entry._replace(**plain) if entry.type == "dir" else entry, names)  # type: ignore[arg-type]
            for path, (entry, names) in found.items()
        }
        for found in (seen(before), seen(after))
    )
    return sorted(path for path in a.keys() | b.keys() if a.get(path) != b.get(path))


def test_normalise_changes_later_times_alone(real: Real) -> None:
    image = made(real, "normalise", "--base", real.name, epoch=str(EPOCH))

    def earlier(entry: Entry) -> Entry:
        return entry._replace(mtime=min(entry.mtime, EPOCH))

    wanted = real.image._replace(
        layers=tuple(
            layer._replace(entries={path: earlier(entry) for path, entry in layer.entries.items()})
            for layer in real.image.layers
        )
    )
    assert changed(wanted, image)[:9] == []
    again = made(real, "normalise", "--base", real.name, epoch=str(EPOCH))
    assert again.config_digest == image.config_digest


def test_reorder_shows_the_same_or_is_refused(real: Real) -> None:
    """Each layer but the lowest with the one above it."""
    count = len(real.image.layers)
    before = diff_ids(real.image)
    for lower in range(2, count)[-6:]:
        one, other = real.image.layers[lower - 1 : lower + 1]
        words = ["reorder", real.name, str(lower + 1), str(lower)]
        try:
            image = made(real, *words)
        except AssertionError as error:
            assert "touch" in str(error) or "both" in str(error) or "cannot" in str(error), error
            touched = [{*layer.entries, *layer.whiteouts} - {b""} for layer in (one, other)]
            assert touched[0] & touched[1]
            continue
        swapped = [*before[: lower - 1], before[lower], before[lower - 1], *before[lower + 1 :]]
        assert diff_ids(image) == swapped
        assert changed(real.image, image, mtime=0) == []


def test_drop_and_cherry_pick_move_layers_as_they_are(real: Real) -> None:
    before = diff_ids(real.image)
    image = made(real, "drop", "--force", real.name, str(len(before)))
    assert diff_ids(image) == before[:-1]
    assert image.state == real.image.states()[-2]
    picked = made(real, "cherry-pick", "--force", f"{real.name}#-1", "--onto", real.name)
    assert diff_ids(picked) == [*before, before[-1]]
    assert changed(real.image, picked) == [] or real.image.layers[-1].whiteouts


def test_split_by_change_rate_keeps_the_tree(real: Real) -> None:
    """Of two versions in one layer each, which differ in three files."""
    found = seen(real.image).items()
    files = sorted(path for path, (entry, names) in found if names == [path])[:3]
    names = [f"un{MADE}", f"rated-{MADE}:1", f"rated-{MADE}:2"]
    try:
        real.lamina("edit", real.name, *[f"--rm=/{os.fsdecode(path)}" for path in files], "-t", names[0])
        real.lamina("flatten", names[0], "-t", names[1])
        real.lamina("flatten", real.name, "-t", names[2])
        image = made(real, "split", names[2], "1", "--by", "change-rate")
    finally:
        real.lamina("rmi", "-f", *names)
    assert changed(real.image, image) == [] and len(image.layers) > 1
    upper = {
        path for layer in image.layers[1:] for path, entry in layer.entries.items() if entry.type == "file"
    }
    assert set(files) <= upper and len(upper) < len(real.image.state) / 2


def test_rebase_changes_the_layers_of_the_base_alone(real: Real) -> None:
    """The new base has one more file, one with another mode, and a setting."""
    items = json.loads(real.lamina("layers", "--json", real.name))
    below = sum(bool(item["base"]) for item in items)
    if not below:
        return  # buildah's stands on nothing that is here
    edited = ["--env=NEW=1", "--add=/etc/hostname:/new-file", "--chmod=700:/tmp"]
    real.lamina("edit", items[below - 1]["base"], *edited, "-t", "new-base")
    try:
        image = made(real, "rebase", real.name, "--onto", "new-base")
        with tempfile.TemporaryDirectory(dir=quick_place()) as folder:
            real.lamina("save", "-o", Path(folder) / "image.tar", "new-base")
            base = oracle.only(Path(folder) / "image.tar")
    finally:
        real.lamina("rmi", "-f", "new-base")
    assert diff_ids(image) == diff_ids(base) + diff_ids(real.image)[below:]
    state = base.state
    for layer in real.image.layers[below:]:
        state = layer.over(state)
    assert image.state == state and b"new-file" in state
    assert "NEW=1" in image.config["config"]["Env"]
    different: dict[str, Any] = {
        key: value
        for key, value in image.config["config"].items()
        if value != real.image.config["config"].get(key)
    }
    assert different.keys() == {"Env"}


RESULTS = {
    "squash": ["squash", "IMAGE"],
    "flatten": ["flatten", "IMAGE"],
    "fold": ["fold", "--base", "IMAGE"],
    "split": ["split", "IMAGE", "1..-1", "--by", "size=30MB"],
    "normalise": ["normalise", "--base", "IMAGE"],
    "edit": ["edit", "IMAGE", "--env", "A=b", "--add", "/etc/hostname:/added"],
}


def run(*words: str | Path) -> str:
    done = subprocess.run(list(map(str, words)), capture_output=True, timeout=600, check=False, text=True)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


def unmount(folder: Path) -> None:
    """What podman and buildah left mounted below a folder."""
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        if line.split()[1].startswith(f"{folder}/"):
            subprocess.run(["umount", "-l", line.split()[1]], capture_output=True, check=False)


@pytest.mark.peers
@pytest.mark.timeout(900)  # six images of half a GB go through five programs each
@pytest.mark.skipif(not THOROUGH, reason="./test --peers runs it")
@pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("skopeo", "podman", "buildah"))),
    reason="needs root, skopeo, podman and buildah",
)
def test_other_tools_take_and_run_them(real: Real) -> None:
    if why := missing():
        pytest.skip(why)
    with (
        tempfile.TemporaryDirectory(dir=quick_place()) as folder,
        docker_engine(tempfile.mkdtemp(dir=quick_place())) as docker,
    ):
        archive = Path(folder) / "image.tar"
        for kind, words in RESULTS.items():
            tag = f"taken:{kind}"
            real.lamina(*[word.replace("IMAGE", real.name) for word in words], "-t", tag)
            real.lamina("save", "-o", archive, tag)
            real.lamina("rmi", "-f", tag)
            ours = oracle.only(archive)
            _skopeo(archive, ours)
            _docker(docker, archive, tag, ours)
            _podman_and_buildah(archive, tag)


def _skopeo(archive: Path, ours: Image) -> None:
    for transport in ("docker-archive", "oci-archive"):
        place = archive.parent / transport
        run("skopeo", "copy", "-q", f"{transport}:{archive}", f"oci:{place}:it")
        config = json.loads(run("skopeo", "inspect", "--config", f"oci:{place}:it"))
        assert config["rootfs"]["diff_ids"] == diff_ids(ours)
        shutil.rmtree(place)


def _docker(docker: DockerEngine, archive: Path, tag: str, ours: Image) -> None:
    docker("load", "-q", "-i", str(archive))
    assert json.loads(docker("image", "inspect", tag))[0]["Id"] == ours.config_digest
    said = docker("run", "--rm", "--network=none", "--entrypoint=sh", tag, "-c", "echo it runs")
    assert said == b"it runs\n"
    docker("rmi", "-f", tag)


def _podman_and_buildah(archive: Path, tag: str) -> None:
    """buildah runs it: podman's crun needs a right (to set limits) that test machines may not have."""
    folder = archive.parent
    store: list[str | Path] = ["--root", folder / "root", "--runroot", folder / "run"]
    store.append("--storage-driver=overlay")
    try:
        run("podman", *store, "load", "-q", "-i", archive)
        name = run("buildah", *store, "from", "--pull-never", f"docker.io/library/{tag}").strip()
        said = run("buildah", *store, "run", "--isolation=chroot", name, "--", "sh", "-c", "echo it runs")
        assert said == "it runs\n"
        run("buildah", *store, "rm", name)
        run("podman", *store, "rmi", "-f", "-a")
    finally:
        unmount(folder)
