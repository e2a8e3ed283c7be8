"""A build with all kinds of mounts and sources that is killed at any moment leaves nothing behind."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.lamina_command import Lamina
from tests.e2e.test_kill import leftovers, processes_of
from tests.fetch.server import Repository, serve

MOMENTS = 12
DOCKERFILE = """\
FROM busybox AS seed
COPY --parents data/./[0-9]* /seed/
FROM busybox
ARG MOMENT
ADD {url}/file /file
ADD --unpack {url}/archive.tar /unpacked
ADD {url}/a.git /git
COPY --link --from=seed /seed /linked
COPY --from=more x /more
RUN --mount=type=cache,id=shared,target=/c --mount=type=cache,id=locked,sharing=locked,target=/l \\
    --mount=type=bind,target=/b --mount=type=bind,from=seed,target=/s,rw --mount=type=tmpfs,target=/t \\
    --mount=type=secret,id=s --mount=type=ssh \\
    echo $MOMENT > /made; dd if=/dev/urandom of=/c/f bs=100k count=3 2>/dev/null; date >> /l/f; \\
    touch /s/x /t/x; cat /run/secrets/s > /dev/null; sleep 0.05
CMD ["cat", "/file", "/git/x", "/more"]
"""
TIMES = pytest.mark.timeout(600)


def context(folder: Path, url: str) -> Path:
    """A build context, and a further one beside it."""
    for name in ("context/data", "more"):
        (folder / name).mkdir(parents=True)
    (folder / "more/x").write_text("named\n")
    (folder / "secret").write_text("s3cret-of-the-build")
    (folder / "context/Dockerfile").write_text(DOCKERFILE.format(url=url))
    for number in range(20):
        (folder / f"context/data/{number}").write_bytes(os.urandom(20_000))
    return folder / "context"


@TIMES
@pytest.mark.skipif(not shutil.which("git") or not shutil.which("ssh-agent"), reason="needs git and ssh")
def test_kill_with_everything_that_is_new(busybox: Lamina, tmp_path: Path) -> None:
    from tests.build.elsewhere import tar

    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    with serve() as site:
        site.repositories = str(tmp_path)
        Repository(tmp_path, "a").commit({"x": "from git\n"})
        site.pages["/file"] = b"by http\n"
        site.pages["/archive.tar"] = tar({f"d/{number}": "x" * 5000 for number in range(50)})
        folder = context(tmp_path, site.url)
        flags = (
            *("--secret", f"id=s,src={tmp_path}/secret", "--ssh", f"default={key}", "-t", "app"),
            *("--build-context", f"more={tmp_path}/more", "--provenance=mode=max", "--sbom=true"),
            *("-o", f"type=oci,dest={tmp_path}/out.tar", "-o", f"type=local,dest={tmp_path}/out"),
            *("-o", "type=image"),
        )
        started = time.monotonic()
        busybox.build(*flags, folder)
        whole = time.monotonic() - started
        chosen = random.Random(3)
        for number in range(MOMENTS):
            args = (*flags, "--build-arg", f"MOMENT={number}", "--no-cache", folder)
            build = busybox.start("build", *args)
            time.sleep(chosen.uniform(0, whole))
            os.kill(build.pid, signal.SIGKILL)
            build.communicate(timeout=60)
        busybox.build(*flags, folder)
    assert busybox("run", "--rm", "app") == "by http\nfrom git\nnamed\n"
    assert leftovers(busybox.root) == []
    assert list(busybox.root.glob("cachemounts/.tmp-*")) == []
    deadline = time.monotonic() + 10
    while processes_of(busybox.root) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_of(busybox.root) == []
    assert os.fsencode(busybox.root) not in Path("/proc/self/mountinfo").read_bytes()
    nothing_is_left(busybox)


def nothing_is_left(lamina: Lamina) -> None:
    """No secret anywhere; and prune and `rmi` free all there is."""
    for path in lamina.root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert b"s3cret-of-the-build" not in path.read_bytes(), path
    records = [json.loads(line) for line in lamina("build", "ls", "--format", "json").splitlines()]
    assert {record["Status"].lower() for record in records} <= {"completed", "interrupted"}
    for image in set(lamina("images", "-q", "--no-trunc").split()):
        lamina("rmi", "-f", image)
    lamina("prune", "-a", "-f")
    lamina("cache", "rm", "--all")
    lamina("prune", "-a", "-f")
    for folder in ("diff", "blobs/sha256", "layers", "mnt", "leases", "cachemounts"):
        assert os.listdir(lamina.root / folder) == [], folder
