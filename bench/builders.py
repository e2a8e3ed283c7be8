"""The builders that are compared: each can take an archive of a base image and build a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench.measure import Run, command
from lamina.testing.docker_engine import DOCKER, docker_engine, missing


@dataclass(frozen=True)
class Builder:
    """How one tool is called: `build` and `load` are its words before the arguments that all share."""

    name: str
    environ: Mapping[str, str]
    load: tuple[str, ...]
    build: tuple[str, ...]
    plain: tuple[str, ...] = ("--progress=plain",)  # has the build print its steps as lines

    def load_image(self, archive: str) -> None:
        """Takes the images of a docker-archive into the tool's own store."""
        command([part.format(archive=archive) for part in self.load], self.environ)()

    def run(self, folder: str, *flags: str, tag: str = "bench") -> Run:
        """A contestant that builds `folder`."""
        return command([*self.build, "-q", "-t", tag, *flags, folder], self.environ)

    def log(self, folder: str, *flags: str, tag: str = "bench") -> tuple[float, str]:
        """Builds `folder` once: the seconds, and all that it printed. RuntimeError when it fails."""
        argv = [*self.build, *self.plain, "-t", tag, *flags, folder]
        started = time.perf_counter()
        done = subprocess.run(
            argv, env=dict(self.environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        seconds = time.perf_counter() - started
        text = done.stdout.decode(errors="replace")
        if done.returncode:
            raise RuntimeError(f"{' '.join(argv)}: {text[-2000:]}")
        return seconds, text


def lamina(root: str) -> Builder:
    """Lamina as pip installs it, on the store below `root`."""
    found = os.path.join(os.path.dirname(sys.executable), "lamina")
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environ |= {"LAMINA_ROOT": os.path.join(root, "lamina")}
    return Builder("lamina build", environ, (found, "load", "-q", "-i", "{archive}"), (found, "build"))


@contextmanager
def builders(folder: str, *, peers: bool = True) -> Iterator[list[Builder]]:
    """Lamina, and every peer that can run here; notes on stderr which one cannot, and why."""
    with ExitStack() as stack:
        found = [lamina(folder)]
        if not peers:
            yield found
            return
        why = missing()
        if why:
            print(f"no docker: {why}", file=sys.stderr)
        else:
            data = os.path.join(folder, "docker")
            os.mkdir(data)
            engine = stack.enter_context(docker_engine(data))
            words = (DOCKER, "load", "-q", "-i", "{archive}"), (DOCKER, "build", "--network=host")
            found.append(Builder("docker build (BuildKit)", engine.environ, *words))
            found.append(Builder("docker build (legacy)", engine.environ | {"DOCKER_BUILDKIT": "0"}, *words))
        buildah = shutil.which("buildah")
        if buildah is None or os.geteuid() != 0:
            print("no buildah: it is not installed, or we are not root", file=sys.stderr)
        else:
            storage = (
                "--root",
                os.path.join(folder, "buildah"),
                "--runroot",
                os.path.join(folder, "buildah-run"),
            )
            pull = (buildah, *storage, "pull", "-q", "docker-archive:{archive}")
            build = (
                buildah,
                *storage,
                "build",
                "--layers",
                "--isolation=chroot",
                "--network=host",
                "--pull=never",
            )
            found.append(
                Builder("buildah build", os.environ | {"STORAGE_DRIVER": "overlay"}, pull, build, ())
            )
        yield found
