"""RUN --mount from the command line: secrets, keys, contexts; and what a kill leaves of them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.lamina_command import Lamina
from tests.e2e.test_kill import agree_with_the_disk, leftovers, processes_of

DOCKERFILE = """\
FROM busybox AS other
RUN echo other > /other
FROM busybox
RUN --mount=target=/context,rw --mount=from=other,source=other,target=/other --mount=type=ssh \\
    --mount=type=cache,target=/cache --mount=type=secret,id=one,env=ONE --mount=type=secret,id=two \\
    --mount=type=tmpfs,target=/t \\
    cat /context/file /other /run/secrets/two; echo $ONE; \\
    test -S $SSH_AUTH_SOCK && touch /cache/x /t/x /context/x; \\
    echo ready; sleep 0
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A context, a secret and a key."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("needs the OpenSSH client")
    (tmp_path / "context").mkdir()
    (tmp_path / "context/file").write_text("file\n")
    (tmp_path / "secret").write_text("of the file\n")
    key = str(tmp_path / "key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    return tmp_path / "context"


def flags(context: Path) -> list[str]:
    secrets = ["--secret", "id=one,env=ONE", "--secret", f"id=two,src={context.parent}/secret"]
    return [
        "--progress=plain",
        *secrets,
        "--ssh",
        f"default={context.parent}/key",
        "-t",
        "made",
        str(context),
    ]


def agents() -> set[str]:
    """The SSH agents of anybody, started as we do it."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if command.startswith(b"ssh-agent\0-a\0agent\0"):
            found.add(pid)
    return found


def test_all_kinds_of_mounts(busybox: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text(DOCKERFILE)
    before = agents()
    _, log = busybox.both("build", *flags(context), ONE="of the environment")
    lines = [
        line.split(" ", 2)[2] for line in log.splitlines() if line.startswith("#") and line.count(" ") > 1
    ]
    assert [
        line for line in lines if line in ("file", "other", "of the file", "of the environment", "ready")
    ] == [
        "file",
        "other",
        "of the file",
        "of the environment",
        "ready",
    ]
    assert sorted(os.listdir(context)) == ["Dockerfile", "file"]
    assert leftovers(busybox.root) == []
    _, log = busybox.both("build", *flags(context), ONE="another")
    assert "CACHED" in log
    assert "of the file" not in log
    assert agents() - before == set()
    busybox("prune", "-a", "-f")
    assert os.listdir(busybox.root / "mnt") == []


def test_a_kill_leaves_no_mount_agent_or_secret(busybox: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text(DOCKERFILE.replace("sleep 0", "sleep 100"))
    before = agents()
    build = busybox.start("build", *flags(context), environ={"ONE": "x"})
    assert build.stdout is not None
    while not build.stdout.readline().endswith(b" ready\n"):
        assert build.poll() is None
    assert agents() - before
    os.kill(build.pid, signal.SIGKILL)
    build.communicate(timeout=60)
    deadline = time.monotonic() + 20  # an agent looks every ten seconds whether it is still wanted
    while (processes_of(busybox.root) or agents() - before) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of(busybox.root) == []
    assert agents() - before == set()
    assert os.fsencode(busybox.root) not in Path("/proc/self/mountinfo").read_bytes()
    (context / "Dockerfile").write_text(DOCKERFILE)
    busybox.both("build", *flags(context), ONE="x")
    assert leftovers(busybox.root) == []


def test_limits_from_the_command_line(busybox: Lamina, tmp_path: Path) -> None:
    script = "ulimit -Sn; ulimit -Hn; grep shm /proc/mounts | tail -1; tail -3 /etc/hosts"
    limits = ["--ulimit", "nofile=90:99", "--shm-size", "2m", "--add-host", "a.test:10.0.0.1"]
    limits += ["--add-host", "b.test=[2001:db8::7]"]
    (tmp_path / "Dockerfile").write_text(f"FROM busybox\nRUN ({script}) > /seen\n")
    busybox.build(*limits, "-t", "limited", tmp_path)
    built = busybox("run", "--rm", "limited", "cat", "/seen")
    for seen in (built, busybox("run", "--rm", *limits, "busybox", "sh", "-c", script)):
        assert seen.startswith("90\n99\n")
        assert "size=2048k" in seen
        assert "10.0.0.1\ta.test\n2001:db8::7\tb.test\n" in seen
    shown = busybox(
        "run", "--rm", "--tmpfs", "/t:size=8k", "--tmpfs=/u", "busybox", "grep", " /[tu] ", "/proc/mounts"
    )
    assert [line.split()[:3] for line in shown.splitlines()] == [
        ["tmpfs", "/t", "tmpfs"],
        ["tmpfs", "/u", "tmpfs"],
    ]
    _, error = busybox.both("run", "--rm", "--ulimit", "nofiles=1", "busybox", "true", status=125)
    assert "invalid ulimit type: nofiles" in error


def test_allow_from_the_command_line(busybox: Lamina, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN --security=insecure true\n")
    _, error = busybox.both("build", "-q", tmp_path, status=1)
    assert "Dockerfile:2:5: security.insecure is not allowed" in error
    assert "--allow security.insecure" in error
    busybox.build("--allow", "security.insecure", tmp_path)


def test_what_contexts_leave_is_build_cache(busybox: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nRUN --mount=target=/m cp /m/file /file\n")
    busybox.build("-t", "made", context)
    assert busybox("run", "--rm", "made", "cat", "/file") == "file\n"
    agree_with_the_disk(busybox)
