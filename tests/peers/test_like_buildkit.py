"""A Dockerfile that Docker builds, Lamina builds to the same file system and config: case by case."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lamina.testing.docker_engine import DOCKER, DockerEngine, docker_engine, missing
from tests.e2e.conftest import make_base, remove
from tests.e2e.lamina_command import REPOSITORY, Lamina
from tests.e2e.trees import differences
from tests.machine import THOROUGH
from tests.peers.buildkit import CASES
from tests.peers.buildkit.case import Case, write_context
from tests.peers.images import Shown, read_images

# Several minutes of Docker's time: not in every run of the tests.
WHY_NOT = missing() or ("" if THOROUGH else "./test --peers runs it")
pytestmark = [pytest.mark.peers, pytest.mark.timeout(1200)]
needs_docker = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "-")

# Mount points of a RUN, which some engines leave in a layer: here they are in the base.
BASE = """FROM busybox
WORKDIR /proc
WORKDIR /sys
WORKDIR /dev
COPY <<a <<b /etc/
a
b
WORKDIR /
"""
STUBS = ("dev", "proc", "sys", "etc/hosts", "etc/resolv.conf")
CONFIG = ("Env", "Cmd", "Entrypoint", "WorkingDir", "User", "Labels", "ExposedPorts", "Volumes")
CONFIG += ("StopSignal", "Shell", "Healthcheck", "OnBuild", "ArgsEscaped")
# How BuildKit's words in the history have changed since Debian's Docker engine: flags of COPY are named,
# ARG shows the value that it got, EXPOSE is a list, HEALTHCHECK names its parts.
CHANGED_WORDS = (
    (re.compile(r"^(COPY|ADD)( --ch(?:own|mod)=\S+)+ "), r"\1 "),
    (re.compile(r"^(EXPOSE|HEALTHCHECK) .*"), r"\1"),
    (re.compile(r"^ARG .*"), "ARG"),
)


class Ended(NamedTuple):
    """How one build ended."""

    status: int
    output: str


class Built(NamedTuple):
    """All cases, as both tools built them."""

    ours: dict[str, Ended]
    theirs: dict[str, Ended]
    our_images: dict[str, Shown]
    their_images: dict[str, Shown]


@pytest.fixture(scope="module")
def built(request: pytest.FixtureRequest) -> Iterator[Built]:
    """Builds every case that was asked for, here and with Docker, from one base."""
    asked = {item.name for item in request.session.items}
    cases = [case for case in CASES if f"{test_builds_the_same.__name__}[{case}]" in asked]
    folder = tempfile.mkdtemp(prefix="lamina-peers-", dir="/dev/shm")
    docker_folder = tempfile.mkdtemp(prefix="lamina-docker-", dir="/dev/shm")
    try:
        with docker_engine(docker_folder) as docker:
            yield _build_all(cases, Path(folder), docker)
    finally:
        remove(folder)


def _build_all(cases: list[Case], folder: Path, docker: DockerEngine) -> Built:
    lamina = Lamina(folder / "root")
    make_base(lamina, "busybox")
    lamina("build", "-q", "-t", "base", "-", stdin=BASE.encode())
    archive = folder / "images.tar"
    lamina("save", "-o", archive, "busybox", "base")
    docker("load", "-q", "-i", str(archive))
    for case in cases:
        _write(case, folder)
    with ThreadPoolExecutor(2) as pool:
        ours = pool.submit(lambda: {case.name: _build(case, folder, _our_build(lamina)) for case in cases})
        theirs = pool.submit(lambda: {c.name: _build(c, folder, _their_build(docker), c.old) for c in cases})
    ended = ours.result(), theirs.result()
    apart = {case.name for case in cases if case.fails or "status" in case.apart}
    names = [[name for name, end in tool.items() if end.status == 0 and name not in apart] for tool in ended]
    lamina("save", "-o", archive, *names[0])
    our_images = read_images(archive)
    docker("save", "-o", str(archive), *names[1])
    return Built(*ended, our_images, read_images(archive))


def _our_build(lamina: Lamina) -> tuple[list[str], dict[str, str]]:
    return [*lamina.argv, "build", "--progress=plain"], lamina.environ


def _their_build(docker: DockerEngine) -> tuple[list[str], dict[str, str]]:
    return [DOCKER, "build", "--network=host", "--progress=plain"], docker.environ


def _file(case: Case) -> str:
    """Where the Dockerfile of a case lies in its context."""
    return case.args[case.args.index("-f") + 1] if "-f" in case.args else "Dockerfile"


def _write(case: Case, folder: Path) -> None:
    context = folder / case.name
    context.mkdir()
    write_context(context, case.context)
    path = context / _file(case)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(case.dockerfile if isinstance(case.dockerfile, bytes) else case.dockerfile.encode())
    if case.old:
        (folder / f"{case.name}.old").write_text(case.old)


def _build(case: Case, folder: Path, tool: tuple[list[str], dict[str, str]], old: str = "") -> Ended:
    """Builds the bases of a case, and then itself."""
    command, environ = tool

    def build(args: list[str], text: str = "") -> Ended:
        done = subprocess.run(
            [*command, *args],
            input=text.encode(),
            capture_output=True,
            env=environ,
            timeout=120,
            check=False,
        )
        return Ended(done.returncode, (done.stdout + done.stderr).decode(errors="replace"))

    for name, text in case.bases.items():
        ended = build(["-t", name, "-"], text)
        assert ended.status == 0, ended.output
    context = folder / case.name
    file = folder / f"{case.name}.old" if old else context / _file(case)
    args = [arg for arg in case.args if arg not in ("-f", _file(case))]
    return build(["-t", case.name, "-f", str(file), *args, str(context)])


@needs_docker
@pytest.mark.parametrize("case", CASES, ids=str)
def test_builds_the_same(case: Case, built: Built) -> None:
    ours, theirs = built.ours[case.name], built.theirs[case.name]
    if case.fails:
        assert ours.status, "docker refuses it, we do not" if theirs.status else "nobody refuses it"
        assert theirs.status == ours.status or "status" in case.apart, theirs.output
        return
    assert ours.status == 0, ours.output + theirs.output
    if "status" in case.apart:
        return
    assert theirs.status == 0, theirs.output
    mine, their = built.our_images[case.name], built.their_images[case.name]
    assert differences(_tree(mine, case), _tree(their, case)) == []
    assert _links(mine, case) == _links(their, case)
    assert _config(mine, case) == _config(their, case)
    if not case.old and "history" not in case.apart:
        assert _history(mine) == _history(their)
    assert len(mine.config["rootfs"]["diff_ids"]) == sum(not empty for _, empty, _ in _history(mine))


def _tree(shown: Shown, case: Case) -> dict[str, Any]:
    hidden = {*STUBS, *case.apart}
    return {path: seen for path, seen in shown.tree.items() if path not in hidden}


def _links(shown: Shown, case: Case) -> set[frozenset[str]]:
    return set() if "links" in case.apart else set(shown.links)


def _config(shown: Shown, case: Case) -> dict[str, Any]:
    """The part of the config that instructions write; what is empty may as well be missing."""
    config = {key: shown.config["config"].get(key) or None for key in CONFIG if key not in case.apart}
    return config | {key: shown.config.get(key) for key in ("architecture", "os", "author")}


def _history(shown: Shown) -> list[tuple[str, bool, str]]:
    """What made each layer. BuildKit signs its lines, see docs/differences.md."""
    return [
        (_words(line.get("created_by", "")), line.get("empty_layer", False), line.get("author", ""))
        for line in shown.config["history"]
    ]


def _words(text: str) -> str:
    text = text.removesuffix(" # buildkit")
    for pattern, instead in CHANGED_WORDS:
        text = pattern.sub(instead, text)
    return text


def test_the_table_is_large_and_says_why_it_makes_exceptions() -> None:
    assert len(CASES) >= 80
    assert len({case.name for case in CASES}) == len(CASES)
    known = (REPOSITORY / "docs/differences.md").read_text()
    for case in CASES:
        assert case.reason or not (case.apart or case.old), case.name
        where, _, row = case.reason.partition(": ")
        assert where != "differences.md" or row in known, case.reason
