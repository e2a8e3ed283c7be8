"""Cache mounts with whole processes: kills in the midst of a use, two builds at once, from store to store."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import make_base, remove
from tests.e2e.lamina_command import Lamina
from tests.e2e.ordinary import OrdinaryLamina, ordinary_lamina
from tests.e2e.test_kill import processes_of
from tests.machine import quick_place

STEP = "FROM busybox\nRUN --mount=type=cache,id=c,target=/c,sharing={0} {1}\n"


@pytest.fixture(params=["root", "one", "many"])
def user(request: pytest.FixtureRequest) -> Iterator[Lamina]:
    """Lamina of root, of an ordinary user with one ID, and of one with sub-IDs; nothing of it is left."""
    folder = tempfile.mkdtemp(prefix="lamina-mounts-", dir=quick_place())
    try:
        if request.param != "root":
            yield ordinary_lamina(Path(folder), request.param)
        elif os.geteuid() != 0:
            pytest.skip("only root is root")
        else:
            made = Lamina(Path(folder) / "root")
            make_base(made, "busybox")
            yield made
        assert processes_of(Path(folder)) == []
        assert os.fsencode(folder) not in Path("/proc/self/mountinfo").read_bytes()
    finally:
        remove(folder)


def start(user: Lamina, sharing: str, command: str, *flags: str) -> subprocess.Popen[bytes]:
    """A build with one step, whose Dockerfile comes by stdin."""
    process = user.start(
        "build", "--progress=plain", *flags, "-f", "-", user.root.parent, stdin=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(STEP.format(sharing, command).encode())
    process.stdin.close()
    process.stdin = None
    return process


def build(user: Lamina, sharing: str, command: str, *flags: str) -> str:
    """What a build of one step printed."""
    process = start(user, sharing, command, *flags)
    out = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 0, out
    return out


def mounts(user: Lamina) -> list[dict[str, str]]:
    return [json.loads(line) for line in user("cache", "ls", "--format", "json").splitlines()]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("sharing", ["shared", "private", "locked"])
def test_kill_in_the_midst_of_a_use(user: Lamina, sharing: str) -> None:
    killed = start(user, sharing, "echo written > /c/file; sleep 100")
    until(lambda: [one for one in mounts(user) if one["InUse"] == "true" and one["Size"] == "8B"])
    busy = user.both("cache", "rm", "c", status=1)[1]
    assert "in use by a build" in busy
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=30)
    began = time.monotonic()
    assert " written\n" in build(user, sharing, "cat /c/file")
    assert time.monotonic() - began < 10
    (one,) = mounts(user)
    assert (one["InUse"], one["Uses"], one["Size"]) == ("false", "2", "8B")
    assert os.listdir(user.root / "cachemounts") == [one["Name"]]
    assert user("cache", "rm", "c") == "c\n" and os.listdir(user.root / "cachemounts") == []


def test_ctrl_c_ends_a_build_that_waits(user: Lamina) -> None:
    first = start(user, "locked", "touch /c/first; sleep 100")
    until(lambda: [one for one in mounts(user) if one["InUse"] == "true"])
    waiting = start(user, "locked", "touch /c/second")
    time.sleep(1)
    assert waiting.poll() is None
    waiting.send_signal(signal.SIGINT)
    waiting.communicate(timeout=20)
    assert waiting.returncode == 130
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=20)
    assert build(user, "locked", "ls /c").count(" first\n") == 1
    assert len(mounts(user)) == 1


def test_two_builds_at_once(user: Lamina) -> None:
    command = "echo {0}+ >> /c/log; sleep 0.3; echo {0}- >> /c/log"
    both = [start(user, "locked", command.format(name)) for name in "ab"]
    assert [process.communicate(timeout=60) and process.returncode for process in both] == [0, 0]
    out = build(user, "locked", "tr -d '\\n' < /c/log")
    assert "a+a-b+b-" in out or "b+b-a+a-" in out
    both = [start(user, "shared", f"touch /c/shared-{name}; sleep 0.5; ls /c") for name in "ab"]
    for process in both:
        assert "shared-a" in (out := process.communicate(timeout=60)[0].decode()) and "shared-b" in out
    assert len(mounts(user)) == 1


def test_prune_beside_a_build(user: Lamina) -> None:
    running = start(user, "shared", "touch /c/mine; until [ -e /c/go ]; do sleep 0.05; done; ls /c")
    until(lambda: [one for one in mounts(user) if one["InUse"] == "true"])
    user("builder", "prune", "-f")
    (one,) = mounts(user)
    build(user, "shared", "touch /c/go")
    assert "mine" in running.communicate(timeout=30)[0].decode() and running.returncode == 0
    assert "c\n" in user("builder", "prune", "-f") and mounts(user) == []
    assert not os.path.exists(one["Folder"])


def test_from_one_machine_to_another(user: Lamina, busybox: Lamina) -> None:
    build(
        user, "shared", "mkdir /c/deep; echo kept > /c/deep/file; ln /c/deep/file /c/same; chmod 640 /c/same"
    )
    done = subprocess.run(
        [*user.argv, "cache", "export", "c"], env=user.environ, capture_output=True, check=True
    )
    assert busybox("cache", "import", stdin=done.stdout) == "Imported cache mount: c\n"
    out = build(busybox, "shared", "stat -c '%h %a %s' /c/same; cat /c/deep/file")
    assert " 2 640 5\n" in out and " kept\n" in out
    assert user("cache", "import", "--id", "again", stdin=done.stdout) == "Imported cache mount: again\n"
    again = subprocess.run(
        [*user.argv, "cache", "export", "c"], env=user.environ, capture_output=True, check=True
    )
    assert again.stdout == done.stdout
    assert io.BytesIO(done.stdout).read(17) == b"lamina-cache.json"


def test_no_cache_lets_go_of_what_there_was(user: Lamina) -> None:
    build(user, "shared", "touch /c/old")
    assert " old\n" not in build(user, "shared", "ls /c; touch /c/new", "--no-cache")
    assert " new\n" in build(user, "shared", "ls /c") and len(mounts(user)) == 1


def test_an_owner_that_is_not_there(user: Lamina) -> None:
    """With one ID a folder for another user is ours, and nothing fails."""
    process = user.start("build", "--progress=plain", "-f", "-", user.root.parent, stdin=subprocess.PIPE)
    text = b"FROM busybox\nRUN --mount=type=cache,target=/c,uid=33,gid=44,mode=0770 stat -c '%u:%g %a' /c\n"
    out = process.communicate(text, timeout=60)[0].decode()
    assert process.returncode == 0, out
    one_id = isinstance(user, OrdinaryLamina) and user.one_id
    assert (" 0:0 770\n" if one_id else " 33:44 770\n") in out
