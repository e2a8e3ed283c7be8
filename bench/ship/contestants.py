"""Who ships images here: Lamina, Docker, Podman, skopeo, each with a store of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.builders import Builder
from lamina.testing.docker_engine import DOCKER


class Cost(NamedTuple):
    """Of one command: seconds, and the largest resident set of a process of it, in MiB."""

    seconds: float
    memory: float


@dataclass
class Tool:
    """One contestant. Names below are as in its own store; `ref` is in the registry."""

    name: str
    environ: Mapping[str, str]
    folder: str

    def load(self, archive: str) -> None:
        """Takes the images of a docker-archive into its store."""
        raise NotImplementedError

    def push(self, name: str, ref: str) -> Cost:
        raise NotImplementedError

    def pull(self, ref: str) -> Cost:
        raise NotImplementedError

    def forget(self) -> None:
        """Empties its store."""
        raise NotImplementedError

    def share(self, context: str, ref: str) -> None:
        """Builds a folder, and leaves its cache in the registry."""
        raise NotImplementedError

    def build(self, context: str, ref: str) -> Cost:
        """Builds it again with nothing but that."""
        raise NotImplementedError

    def ran(self) -> int:
        """How many steps the last build ran; -1 where that is not known."""
        return -1

    def alone(self, argv: Sequence[str]) -> list[str]:
        """The command with containers/image's memory of blobs and repositories its own, in this folder."""
        kept = f"{self.folder}/blob-info"
        os.makedirs(kept, exist_ok=True)
        script = 'mkdir -p /var/lib/containers/cache; mount --bind "$0" /var/lib/containers/cache; exec "$@"'
        return ["unshare", "--mount", "sh", "-ec", script, kept, *argv]

    def run(self, argv: Sequence[str]) -> Cost:
        """One command; RuntimeError with its last words when it fails."""
        log = os.path.join(self.folder, "log")
        started = time.perf_counter()
        with open(log, "wb") as out:
            process = subprocess.Popen(argv, env=dict(self.environ), stdout=out, stderr=out)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
        if process.returncode:
            raise RuntimeError(f"{' '.join(argv)}: {self.log()[-2000:]}")
        return Cost(seconds, usage.ru_maxrss / 1024)

    def log(self) -> str:
        with open(os.path.join(self.folder, "log"), errors="replace") as file:
            return file.read()


@dataclass
class Lamina(Tool):
    """`program` is the command; `packing` what push is told of compression."""

    program: str = "lamina"
    packing: tuple[str, ...] = ()

    def load(self, archive: str) -> None:
        self.run([self.program, "load", "-q", "-i", archive])

    def push(self, name: str, ref: str) -> Cost:
        return self.run([self.program, "push", *self.packing, name, ref])

    def pull(self, ref: str) -> Cost:
        return self.run([self.program, "pull", ref])

    def forget(self) -> None:
        self.run([self.program, "prune", "-a", "-f"])
        shutil.rmtree(self.environ["LAMINA_ROOT"])

    def share(self, context: str, ref: str) -> None:
        cache = f"type=registry,ref={ref},mode=max"
        self.run([self.program, "build", "-t", "shared", f"--cache-to={cache}", context])

    def build(self, context: str, ref: str) -> Cost:
        cache = f"type=registry,ref={ref}"
        return self.run(
            [self.program, "build", "--progress=plain", "-t", "shared", f"--cache-from={cache}", context]
        )

    def ran(self) -> int:
        return self.log().count(" DONE ")


@dataclass
class LaminaPushing(Lamina):
    """Its result is pushed, and wanted nowhere else."""

    def build(self, context: str, ref: str) -> Cost:
        cache = f"--cache-from=type=registry,ref={ref}"
        return self.run(
            [self.program, "build", "--progress=plain", "-t", f"{ref}-result", "--push", cache, context]
        )


@dataclass
class Docker(Tool):
    """The engine does the work: its peak is what counts as memory (what it unpacks in a child does not)."""

    daemon: int = 0

    def load(self, archive: str) -> None:
        self.run([DOCKER, "load", "-q", "-i", archive])

    def push(self, name: str, ref: str) -> Cost:
        self.run([DOCKER, "tag", name, ref])
        return self._measured([DOCKER, "push", ref])

    def pull(self, ref: str) -> Cost:
        return self._measured([DOCKER, "pull", ref])

    def forget(self) -> None:
        found = subprocess.run(
            [DOCKER, "images", "-aq"], env=dict(self.environ), capture_output=True, text=True
        )
        if found.stdout.split():
            self.run([DOCKER, "rmi", "-f", *dict.fromkeys(found.stdout.split())])
        self.run([DOCKER, "builder", "prune", "-af"])

    def share(self, context: str, ref: str) -> None:
        inline = "--build-arg=BUILDKIT_INLINE_CACHE=1"
        self.run([DOCKER, "build", "--network=host", inline, "-t", ref, context])
        self.run([DOCKER, "push", ref])

    def build(self, context: str, ref: str) -> Cost:
        return self._measured(
            [
                DOCKER,
                "build",
                "--progress=plain",
                "--network=host",
                f"--cache-from={ref}",
                "-t",
                "shared",
                context,
            ]
        )

    def ran(self) -> int:
        """Steps that are neither CACHED nor BuildKit's own."""
        return sum(
            " RUN " in line or " COPY " in line for line in self.log().splitlines()
        ) - self.log().count("CACHED")

    def _measured(self, argv: Sequence[str]) -> Cost:
        with open(f"/proc/{self.daemon}/clear_refs", "w") as file:
            file.write("5")
        cost = self.run(argv)
        with open(f"/proc/{self.daemon}/status") as file:
            peak = next(line for line in file if line.startswith("VmHWM:"))
        return cost._replace(memory=int(peak.split()[1]) / 1024)


@dataclass
class Podman(Tool):
    """With Debian's overlay storage, below its folder."""

    words: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        roots = ("--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run")
        self.words = ("podman", *roots, "--storage-driver", "overlay")

    def run(self, argv: Sequence[str]) -> Cost:
        return super().run(self.alone(argv))

    def load(self, archive: str) -> None:
        self.run([*self.words, "load", "-q", "-i", archive])

    def push(self, name: str, ref: str) -> Cost:
        return self.run([*self.words, "push", "--tls-verify=false", name, ref])

    def pull(self, ref: str) -> Cost:
        return self.run([*self.words, "pull", "--tls-verify=false", ref])

    def forget(self) -> None:
        self.run([*self.words, "system", "reset", "-f"])
        shutil.rmtree(f"{self.folder}/blob-info", ignore_errors=True)

    def share(self, context: str, ref: str) -> None:
        self.run(self._build(context, f"--cache-to={ref.removesuffix(':1')}"))

    def build(self, context: str, ref: str) -> Cost:
        return self.run(self._build(context, f"--cache-from={ref.removesuffix(':1')}"))

    def ran(self) -> int:
        log = self.log()
        return sum(" RUN " in line or " COPY " in line for line in log.splitlines()) - log.count(
            "Using cache"
        )

    def _build(self, context: str, cache: str) -> list[str]:
        flags = ["--layers", "--tls-verify=false", "--network=host", "--isolation=chroot"]
        return [*self.words, "build", *flags, cache, "-t", "shared", context]


@dataclass
class Skopeo(Tool):
    """It has no store: it pushes from an archive, and pulls into an OCI layout, packed as it came."""

    archive: str = ""

    def run(self, argv: Sequence[str]) -> Cost:
        return super().run(self.alone(argv))

    def load(self, archive: str) -> None:
        self.archive = archive

    def push(self, name: str, ref: str) -> Cost:
        source = f"docker-archive:{self.archive}:docker.io/library/{name}"
        return self.run(["skopeo", "copy", "--dest-tls-verify=false", source, f"docker://{ref}"])

    def pull(self, ref: str) -> Cost:
        target = f"oci:{self.folder}/layout:it"
        return self.run(["skopeo", "copy", "--src-tls-verify=false", f"docker://{ref}", target])

    def forget(self) -> None:
        shutil.rmtree(f"{self.folder}/layout", ignore_errors=True)
        shutil.rmtree(f"{self.folder}/blob-info", ignore_errors=True)


def contestants(ours: Builder, folder: str, engine: Builder | None, daemon: int) -> list[Tool]:
    """Everybody who can take part here."""

    def place(name: str) -> str:
        os.mkdir(os.path.join(folder, name))
        return os.path.join(folder, name)

    program, plain = ours.build[0], {**ours.environ}
    one, two = place("lamina"), place("chunked")
    found: list[Tool] = [
        Lamina("lamina", {**plain, "LAMINA_ROOT": f"{one}/store"}, one, program),
        LaminaPushing(
            "lamina, zstd:chunked",
            {**plain, "LAMINA_ROOT": f"{two}/store"},
            two,
            program,
            ("--compression", "zstd:chunked"),
        ),
    ]
    if engine is not None:
        found.append(Docker("docker", engine.environ, place("docker-log"), daemon))
    if shutil.which("podman") and os.geteuid() == 0:
        found.append(Podman("podman", os.environ, place("podman")))
    if shutil.which("skopeo"):
        found.append(Skopeo("skopeo", os.environ, place("skopeo")))
    return found
