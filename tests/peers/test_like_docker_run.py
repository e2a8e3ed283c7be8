"""`lamina run` and `docker run` of the same image with the same flags: same output, same exit code."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from lamina.testing.docker_engine import DOCKER, DockerEngine, docker_engine, missing
from tests.e2e.conftest import make_base, remove
from tests.e2e.lamina_command import Lamina

pytestmark = [pytest.mark.peers, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]

DOCKERFILE = """FROM busybox
RUN echo 'bob:x:1234:1234::/home/bob:/bin/sh' >> /etc/passwd
RUN printf 'bob:x:1234:\\nadm:x:4:bob\\nextra:x:5005:bob\\n' >> /etc/group
RUN mkdir /exec && echo hi > /exec/plain && ln -s /tmp /way && ln -s /nowhere/there /dangling
ENV FOO=bar ZED="a b"
ENTRYPOINT ["/bin/sh", "-c", "echo entry \\"$0\\" \\"$@\\""]
CMD ["one", "two"]
"""
ENV_FILE = '# comment\n  # indented\nA=1\nB=two words # kept\nGIVEN\n  D=lead\nE=\nF="q"\n\nUNSET\n'
SH = ("--entrypoint", "/bin/sh")
STATUS = "grep -E 'Cap|Seccomp|NoNewPrivs|Umask|Groups' /proc/self/status"


class Case(NamedTuple):
    """Flags, what follows the image, and standard input; VOLUME in a flag is a folder of this case."""

    flags: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    stdin: bytes | None = None


def sh(script: str, *flags: str, stdin: bytes | None = None) -> Case:
    """A script in the container's shell."""
    return Case((*SH, *flags), ("-c", script), stdin)


CASES = {
    "entry point and command": Case(),
    "other command": Case((), ("x",)),
    "other entry point": Case(("--entrypoint", "/bin/echo")),
    "other entry point and command": Case(("--entrypoint", "/bin/echo"), ("a", "b")),
    "no entry point": Case(("--entrypoint", ""), ("echo", "bare")),
    "no entry point and no command": Case(("--entrypoint", "")),
    "environment": sh("env", "-e", "X=1", "-e", "FOO=new", "-e", "HOSTNAME=h"),
    "environment with a terminal": sh("env", "-t", "-e", "HOSTNAME=h"),
    "variables taken away": sh("env", "-e", "ZED", "-e", "GIVEN", "-e", "HOSTNAME=h"),
    "environment file": sh("env", "--env-file", "VOLUME/env", "-e", "A=flag", "-e", "HOSTNAME=h"),
    "bad variable": sh("env", "-e", "=x"),
    "user by name": sh("id; echo $HOME; " + STATUS, "-u", "bob"),
    "user by number": sh("id; echo $HOME; " + STATUS, "-u", "1234"),
    "user and group": sh("id; echo $HOME", "-u", "bob:adm"),
    "unknown numbers": sh("id; echo $HOME", "-u", "7777:8888"),
    "unknown user": sh("id", "-u", "nosuch"),
    "unknown group": sh("id", "-u", "0:nosuch"),
    "powers of root": sh(STATUS + "; ulimit -n; umask"),
    "devices of a user": sh("echo > /dev/null; cd /dev; ls -l null zero full urandom tty", "-u", "bob"),
    "working directory": sh("pwd; stat -c %a . ..", "-w", "/x/y"),
    "working directory over a link": sh("pwd", "-w", "/way/y"),
    "working directory over a dead link": sh("pwd", "-w", "/dangling"),
    "relative working directory": sh("pwd", "-w", "x"),
    "working directory that is a file": sh("pwd", "-w", "/etc/passwd"),
    "exit code": sh("exit 42"),
    "killed by itself": sh("sh -c 'kill -9 $$'"),
    "not found": Case(("--entrypoint", "nosuch")),
    "not found by path": Case(("--entrypoint", "/no/such")),
    "not executable": Case(("--entrypoint", "/exec/plain")),
    "not executable in the path": Case(("--entrypoint", "plain", "-e", "PATH=/exec")),
    "a folder": Case(("--entrypoint", "/etc")),
    "unknown flag": Case(("--nosuch",)),
    "bad name": Case(("--name", "-x",)),
    "hostname": sh("hostname; cat /etc/hostname", "--hostname", "h1"),
    "name servers": sh("cat /etc/resolv.conf"),
    "network none": sh("ls /sys/class/net; wc -l < /proc/net/dev", "--network", "none"),
    "read-only": sh(
        "for f in /x /tmp/x /etc/hosts /dev/x /dev/shm/x; do touch $f && echo $f; done", "--read-only"
    ),
    "volume": sh("cat /v/deep/file; echo new > /v/deep/new; ls /v/deep", "-v", "VOLUME:/v/deep"),
    "volume with one file": sh("cat /f", "-v", "VOLUME/file:/f"),
    "volume to read": sh("echo x > /v/file; cat /v/file", "-v", "VOLUME:/v:ro"),
    "missing volume": sh("ls -a /v | wc -l; stat -c '%a %u' /v", "-v", "VOLUME/no/such:/v"),
    "volume over a link": sh("ls /tmp/in", "-v", "VOLUME:/way/in"),
    "volume over a dead link": sh("ls /nowhere/there", "-v", "VOLUME:/dangling"),
    "volume over etc": sh("ls /etc", "-v", "VOLUME:/etc"),
    "volume over a file of etc": sh("cat /etc/hosts", "-v", "VOLUME/file:/etc/hosts"),
    "volume inside proc": sh("true", "-v", "VOLUME:/proc/sys"),
    "volume over the root": sh("true", "-v", "VOLUME:/"),
    "volume at a relative place": sh("true", "-v", "VOLUME:x"),
    "volume with an unknown word": sh("true", "-v", "VOLUME:/x:bad"),
    "the same volume twice": sh("ls /x", "-v", "VOLUME:/x", "-v", "VOLUME:/x"),
    "input": sh("cat", "-i", stdin=b"some\ninput"),
    "input that is not asked for": sh("cat", stdin=b"some"),
    "a terminal that is none": sh("true", "-it"),
    "both outputs": sh("echo out; echo err >&2"),
    "both outputs with a terminal": sh("echo out; echo err >&2; tty", "-t"),
    "signals": sh("trap 'echo got; exit 7' TERM; kill -TERM 1; sleep 1"),
    "what is refused": sh("mount -t tmpfs x /tmp; unshare -U true; dmesg | wc -l; chroot / echo chrooted"),
    "what is hidden": sh("cat /proc/keys /proc/timer_list | wc -c; ls /sys/firmware | wc -l; touch /sys/x"),
    "device of the machine": sh("mknod /tmp/loop b 7 0 && echo made; head -c1 /tmp/loop && echo open"),
}  # fmt: skip


class Both(NamedTuple):
    """One image in both engines."""

    lamina: Lamina
    docker: DockerEngine


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    """Lamina and Docker, each with the image `tried`."""
    with tempfile.TemporaryDirectory(prefix="lamina-peers-", dir="/dev/shm") as folder:
        lamina = Lamina(Path(folder) / "root")
        make_base(lamina, "busybox")
        context = Path(folder) / "context"
        context.mkdir()
        (context / "Dockerfile").write_text(DOCKERFILE)
        lamina("build", "-q", "-t", "tried", context)
        archive = Path(folder) / "tried.tar"
        lamina("save", "-o", archive, "tried")
        with docker_engine(tempfile.mkdtemp(prefix="lamina-docker-", dir="/dev/shm")) as docker:
            docker("load", "-i", str(archive))
            yield Both(lamina, docker)
        remove(str(lamina.root))


@pytest.mark.parametrize("name", CASES)
def test_runs_like_docker(both: Both, name: str, tmp_path: Path) -> None:
    case = CASES[name]
    ours = _run(both.lamina.argv, both.lamina.environ, case, tmp_path / "ours")
    theirs = _run([DOCKER], both.docker.environ, case, tmp_path / "theirs")
    assert ours == theirs


def _run(
    argv: list[str], environ: dict[str, str], case: Case, folder: Path
) -> tuple[int, str, dict[str, str]]:
    """Exit code, standard output, and the files that are in the volume afterwards."""
    folder.mkdir()
    (folder / "file").write_text("content\n")
    (folder / "env").write_text(ENV_FILE)
    flags = [flag.replace("VOLUME", str(folder)) for flag in case.flags]
    network = [] if "--network" in flags else ["--network", "host"]
    done = subprocess.run(
        [*argv, "run", "--rm", *network, *flags, "tried", *case.command],
        env=environ | {"GIVEN": "by the caller"},
        **({"stdin": subprocess.DEVNULL} if case.stdin is None else {"input": case.stdin}),  # type: ignore[call-overload]
        capture_output=True,
        timeout=60,
        check=False,
    )
    left = {str(path.relative_to(folder)): _content(path) for path in sorted(folder.rglob("*"))}
    return done.returncode, _settled(done.stdout.decode()), left


def _content(path: Path) -> str:
    return path.read_text() if path.is_file() and path.name in ("file", "new") else str(path.is_dir())


def _settled(text: str) -> str:
    """Without what differs from run to run."""
    return re.sub(r"\w{3} [ \d]\d \d\d:\d\d", "TIME", text)
