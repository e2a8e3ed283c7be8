"""A Docker engine (Debian's docker.io) with a data folder and a socket of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCKER = "/usr/bin/docker"


@dataclass(frozen=True)
class DockerEngine:
    """Runs the `docker` command against one engine."""

    socket: str

    @property
    def environ(self) -> dict[str, str]:
        """What `docker` needs to find this engine and to build with BuildKit."""
        return os.environ | {"DOCKER_HOST": f"unix://{self.socket}", "DOCKER_BUILDKIT": "1"}

    def __call__(self, *args: str, stdin: bytes | None = None) -> bytes:
        """Standard output of `docker ARGS`. AssertionError with what it printed when it fails."""
        done = subprocess.run(
            [DOCKER, *args], input=stdin, capture_output=True, env=self.environ, timeout=600, check=False
        )
        assert done.returncode == 0, f"docker {args}: {done.stderr.decode(errors='replace')}"
        return done.stdout


def missing() -> str:
    """Why no Docker engine can be started here, or ""."""
    if os.geteuid() != 0:
        return "a Docker engine of our own needs root"
    if not (os.path.exists("/usr/sbin/dockerd") and os.path.exists(DOCKER)):
        return "docker.io is not installed (./test --peers installs it)"
    return ""


@contextmanager
def docker_engine(folder: str) -> Iterator[DockerEngine]:
    """Starts dockerd with its data below `folder`; nothing of it is left at the end."""
    engine = DockerEngine(os.path.join(folder, "docker.sock"))
    # Its own mount namespace, so that every mount it made is gone when it is.
    command = ["unshare", "--mount", "/usr/sbin/dockerd", "--iptables=false", "--bridge=none"]
    command += ["--data-root", os.path.join(folder, "data"), "--exec-root", os.path.join(folder, "exec")]
    command += ["--pidfile", os.path.join(folder, "pid"), "--host", f"unix://{engine.socket}"]
    with open(os.path.join(folder, "dockerd.log"), "wb") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait(engine, daemon, log.name)
            yield engine
        finally:
            _stop(daemon)
            shutil.rmtree(folder, ignore_errors=True)


def _wait(engine: DockerEngine, daemon: subprocess.Popen[bytes], log: str) -> None:
    """Returns when the engine answers. RuntimeError with its last words when it does not."""
    for _ in range(300):
        if daemon.poll() is not None:
            break
        if (
            subprocess.run(
                [DOCKER, "version"], capture_output=True, env=engine.environ, check=False
            ).returncode
            == 0
        ):
            return
        time.sleep(0.1)
    with open(log, errors="replace") as text:
        raise RuntimeError("dockerd did not start: " + text.read()[-2000:])


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    """Ends the engine and the containerd that it started, which is in the same session."""
    daemon.terminate()
    try:
        daemon.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()
