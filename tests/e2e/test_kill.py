"""A build that is killed at any moment leaves a store that the next build uses as it is."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

from lamina import Engine
from lamina.cli.units import human_size
from tests.e2e.lamina_command import Lamina

MOMENTS = 20
DOCKERFILE = """\
FROM busybox AS left
RUN for i in $(seq 200); do echo $i > /left-$i; done
COPY data /data
FROM busybox AS right
RUN mkdir /right && for i in $(seq 200); do echo $i > /right/$i; done; sleep 0.1
FROM busybox
COPY --from=left /data /data
COPY --from=right /right /right
RUN sleep 0.05; rm /data/3; echo done > /done
CMD ["cat", "/done"]
"""


def context(folder: Path) -> Path:
    """A build context with some files."""
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "data").mkdir()
    for number in range(50):
        (folder / "data" / str(number)).write_bytes(os.urandom(20_000))
    return folder


def processes_of(root: Path) -> list[str]:
    """Processes whose mounts, command or environment speak of this root."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) == os.getpid():
            continue
        try:
            told = Path(f"/proc/{pid}/mountinfo").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(root) in told:
            found.append(pid)
    return found


def leftovers(root: Path) -> list[str]:
    """Temp files and snapshots that nobody owns."""
    names = [str(p) for folder in ("blobs/sha256", "diff") for p in (root / folder).glob(".tmp-*")]
    return names + [str(p) for p in (root / "mnt").glob("*")]


def test_kill_at_twenty_random_moments(busybox: Lamina, tmp_path: Path) -> None:
    folder = context(tmp_path / "context")
    started = time.monotonic()
    busybox.build("-t", "whole", folder)
    whole = time.monotonic() - started
    expected = busybox.inspect("whole")["RootFS"]["Layers"]
    chosen = random.Random(20261123)
    for number in range(MOMENTS):
        # A new argument makes every step of this build a new one.
        (folder / "data" / "moment").write_text(str(number))
        (folder / "Dockerfile").write_text(DOCKERFILE.replace("$i", f"{number}-$i"))
        build = busybox.start("build", "-t", "killed", folder)
        time.sleep(chosen.uniform(0, whole))
        os.kill(build.pid, signal.SIGKILL)
        build.communicate(timeout=60)
        busybox.build("-t", "killed", folder)
        assert busybox("run", "--rm", "killed") == "done\n"
        assert leftovers(busybox.root) == [], f"after moment {number}"
    deadline = time.monotonic() + 10
    while processes_of(busybox.root) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_of(busybox.root) == []
    assert os.fsencode(busybox.root) not in Path("/proc/self/mountinfo").read_bytes()
    assert busybox.inspect("whole")["RootFS"]["Layers"] == expected
    agree_with_the_disk(busybox)


def agree_with_the_disk(lamina: Lamina) -> None:
    """What rows, `df` and the disk say is one and the same; and when all is removed, nothing is left."""
    named = {
        layer.removeprefix("sha256:")
        for image in lamina("images", "-q", "--no-trunc", "-a").split()
        for layer in lamina.inspect(image)["RootFS"]["Layers"]
    }
    assert named <= set(os.listdir(lamina.root / "diff"))
    with Engine.open(str(lamina.root)) as engine:
        usage = engine.df()
    # diff/ has what images and the cache have, and no byte twice; hard links count once.
    assert usage.images.size + usage.cache.size == bytes_in_files(lamina.root / "diff")
    assert usage.blobs.size == bytes_in_files(lamina.root / "blobs")
    assert usage.containers.size == bytes_in_files(lamina.root / "mnt")
    assert usage.images.size == sum(bytes_in_files(lamina.root / "diff" / name) for name in named)
    assert usage.images.total == len(set(lamina("images", "-q", "--no-trunc", "-a").split()))
    shown = {row["Type"]: row for row in map(json.loads, lamina("df", "--format", "json").splitlines())}
    sizes = {
        "Images": usage.images.size + usage.blobs.size,
        "Containers": usage.containers.size,
        "Build Cache": usage.cache.size,
    }
    assert {kind: shown[kind]["Size"] for kind in sizes} == {k: human_size(v, 4) for k, v in sizes.items()}
    assert [shown[kind]["TotalCount"] for kind in sizes] == [str(share.total) for share in usage[:3]]
    for path in (lamina.root / "layers").iterdir():
        assert path.read_text().splitlines()[2].removeprefix("diff-id sha256:") in os.listdir(
            lamina.root / "diff"
        )
    for image in set(lamina("images", "-q", "--no-trunc").split()):
        lamina("rmi", "-f", image)
    lamina("prune", "-a", "-f")
    for folder in ("diff", "blobs/sha256", "layers", "mnt", "leases"):
        assert os.listdir(lamina.root / folder) == [], folder
    usage_after = {
        row["Type"]: row["Size"] for row in map(json.loads, lamina("df", "--format", "json").splitlines())
    }
    assert set(usage_after.values()) == {"0B"}


def bytes_in_files(folder: Path) -> int:
    """The sizes of all regular files, each inode once: what `find -printf` says, not what Lamina counts."""
    found = subprocess.run(
        ["find", folder, "-type", "f", "-printf", "%D:%i %s\\n"], capture_output=True, check=True, text=True
    )
    return sum(int(line.split()[1]) for line in set(found.stdout.splitlines()))
