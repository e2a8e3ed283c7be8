"""A build that is killed at any moment leaves a store that the next build uses as it is."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

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
    """Every layer that an image names has its folder, and every folder has a row that `df` counts."""
    on_disk = set(os.listdir(lamina.root / "diff"))
    named: set[str] = set()
    for image in lamina("images", "-q", "--no-trunc", "-a").split():
        named |= {layer.removeprefix("sha256:") for layer in lamina.inspect(image)["RootFS"]["Layers"]}
    assert named <= on_disk
    lamina("prune", "-a", "-f")
    assert set(os.listdir(lamina.root / "diff")) <= on_disk
