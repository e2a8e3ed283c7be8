"""The builders that are compared: each can take an archive of a base image and build a folder."""

from __future__ import annotations

import os
import shutil
import sys
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

    def load_image(self, archive: str) -> None:
        """Takes the images of a docker-archive into the tool's own store."""
        command([part.format(archive=archive) for part in self.load], self.environ)()

    def run(self, folder: str, *flags: str, tag: str = "bench") -> Run:
        """A contestant that builds `folder`."""
        return command([*self.build, "-t", tag, *flags, folder], self.environ)


def lamina(root: str) -> Builder:
    """Lamina as pip installs it, on the store below `root`."""
    found = os.path.join(os.path.dirname(sys.executable), "lamina")
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environ |= {"LAMINA_ROOT": os.path.join(root, "lamina")}
    return Builder("lamina build", environ, (found, "load", "-q", "-i", "{archive}"), (found, "build", "-q"))


@contextmanager
def builders(folder: str) -> Iterator[list[Builder]]:
    """Lamina, and every peer that can run here; notes on stderr which one cannot, and why."""
    with ExitStack() as stack:
        found = [lamina(folder)]
        why = missing()
        if why:
            print(f"no docker: {why}", file=sys.stderr)
        else:
            data = os.path.join(folder, "docker")
            os.mkdir(data)
            engine = stack.enter_context(docker_engine(data))
            words = (DOCKER, "load", "-q", "-i", "{archive}"), (DOCKER, "build", "-q", "--network=host")
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
                "-q",
                "--layers",
                "--isolation=chroot",
                "--network=host",
                "--pull=never",
            )
            found.append(Builder("buildah build", os.environ | {"STORAGE_DRIVER": "overlay"}, pull, build))
        yield found
