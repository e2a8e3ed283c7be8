"""run, ps, rm: containers from their beginning to their end."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import tty
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina.containers import creating, settings, state
from lamina.containers.listing import listing
from lamina.containers.remove import prune, remove
from lamina.containers.request import RunRequest
from lamina.containers.run import run
from lamina.containers.stdio import Stdio
from lamina.db import containerdb
from lamina.errors import Conflict, InvalidInput, NotFound, ProcessFailed, Unsupported
from lamina.oci.config import ContainerConfig
from lamina.transfer.register import register_image

if TYPE_CHECKING:
    from lamina.mount.userns import IdMap
    from tests.containers.conftest import Dock


def rows(dock: Dock) -> list[containerdb.Container]:
    return containerdb.containers(dock.kitchen.db.read())


def test_output_status_and_row(dock: Dock) -> None:
    ran = dock.sh("echo out; echo err >&2; exit 3", name="one")
    assert (ran.status, ran.out, ran.err) == (3, "out\n", "err\n")
    row = rows(dock)[0]
    assert (row.id, row.name, row.state, row.exit_code) == (ran.id, "one", "exited", 3)
    assert row.command == "sh -c 'echo out; echo err >&2; exit 3'"
    assert row.started
    assert row.finished > row.started
    with pytest.raises(Conflict, match=r'The container name "/one" is already in use'):
        dock.run("true", name="one")


def test_remove_leaves_nothing(dock: Dock) -> None:
    assert dock.run("touch", "/x", remove=True).status == 0
    assert rows(dock) == []
    assert os.listdir(dock.kitchen.layout.mnt) == []
    with pytest.raises(ProcessFailed) as caught:
        dock.run("nothere", remove=True)
    assert caught.value.status == 127
    with pytest.raises(NotFound):
        dock.run("true", image="nosuch", remove=True)
    assert os.listdir(dock.kitchen.layout.mnt) == []


def test_environment(dock: Dock) -> None:
    env = dock.run("env", env=("A=1", "A=2", "PATH=/bin:/sbin", "E="), hostname="h").lines
    assert env == ["PATH=/bin:/sbin", "HOSTNAME=h", "A=2", "E=", "HOME=/root"]
    assert dock.run("env", hostname="h", env=("PATH",)).lines[0] == "HOSTNAME=h"
    assert dock.sh("echo $HOSTNAME; hostname").lines == [rows(dock)[0].id[:12]] * 1 + [rows(dock)[0].id[:12]]


def test_commands_and_entrypoints(dock: Dock) -> None:
    config = ContainerConfig(
        env=("PATH=/bin",), entrypoint=("echo", "entry"), cmd=("cmd",), working_dir="/tmp"
    )
    dock.kitchen.add_image("plain", config)
    base = dock.kitchen.config(dock.image)
    data = base._replace(config=config)
    register_image(dock.kitchen.ctx, data, base.diff_ids, ["talker"])
    assert dock.run(image="talker").out == "entry cmd\n"
    assert dock.run("mine", image="talker").out == "entry mine\n"
    assert dock.run("a", image="talker", entrypoint=("echo",)).out == "a\n"
    assert dock.run("echo", "b", image="talker", entrypoint=("",)).out == "b\n"
    assert dock.run(image="talker", entrypoint=("sh", "-c", "pwd")).out == "/tmp\n"
    with pytest.raises(InvalidInput, match="no command specified"):
        dock.run(image="talker", entrypoint=())


def test_user_workdir_read_only(dock: Dock, inside: IdMap) -> None:
    who = 0 if inside.single else 1234
    assert dock.sh("id -u; pwd", user="worker", workdir="/home/worker").out == f"{who}\n/home/worker\n"
    assert "Read-only" in dock.sh("touch /x", read_only=True).err
    with pytest.raises(InvalidInput, match="absolute path"):
        dock.run("true", workdir="relative")


def test_stdin(dock: Dock) -> None:
    assert dock.run("cat", stdin=b"hello").out == "hello"
    assert dock.run("cat").out == ""  # /dev/null without -i


def test_volumes(dock: Dock) -> None:
    data = dock.folder / "data"
    data.mkdir()
    (data / "f").write_text("x")
    ran = dock.sh("cat /v/f; echo new > /v/g; touch /w/h", volumes=(f"{data}:/v", f"{data}:/w:ro"))
    assert ran.out == "x"
    assert ran.status == 1
    assert (data / "g").read_text() == "new\n"
    assert not (data / "h").exists()
    made = dock.folder / "made"
    assert dock.run("true", volumes=(f"{made}:/v",)).status == 0
    assert made.is_dir()


@pytest.mark.parametrize(
    ("volume", "error", "words"),
    [
        ("named:/v", Unsupported, "named volume"),
        ("/only", Unsupported, "without a host folder"),
        ("/a:rel", InvalidInput, "must be absolute"),
        ("/a:/", InvalidInput, "destination can't be '/'"),
        ("/a:/b:rx", InvalidInput, "unknown option"),
        ("/a:/b:c:d", InvalidInput, "invalid volume specification"),
    ],
)
def test_bad_volumes(dock: Dock, volume: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        dock.run("true", volumes=(volume,))
    with pytest.raises(InvalidInput, match="Duplicate mount point"):
        dock.run("true", volumes=("/tmp:/v", "/tmp:/v/"))
    assert rows(dock) == []


def test_add_host(dock: Dock) -> None:
    hosts = (("one.test", "10.9.8.7"), ("six.test", "2001:db8::5"))
    rows = [f"{address}\t{name}" for name, address in hosts]
    assert dock.sh("cat /etc/hosts", add_hosts=hosts).lines[-3:-1] == rows


def test_shm_size(dock: Dock) -> None:
    for size, shown in ((1 << 20, "size=1024k"), (0, "size=65536k")):
        (row,) = [row for row in dock.sh("cat /proc/mounts", shm_size=size).lines if " /dev/shm " in row]
        assert shown in row


def test_ulimit(dock: Dock) -> None:
    assert dock.sh("ulimit -Sn; ulimit -Hn", ulimits=(("nofile", 40, 50),)).lines == ["40", "50"]


def test_tmpfs(dock: Dock) -> None:
    ran = dock.sh(
        "stat -c %a /t1 /home; touch /t2/x 2>/dev/null || echo shut; touch /home/x; cat /proc/mounts",
        tmpfs=("/t1", "/t2:ro,size=64k,mode=700,exec", "/home"),
    )
    found = [set(line.split()[3].split(",")) for line in ran.lines if line.split()[1:2] in (["/t1"], ["/t2"])]
    first, second = found
    assert {"rw", "nosuid", "nodev", "noexec"} <= first
    assert {"ro", "nosuid", "nodev", "size=64k", "mode=700"} <= second
    assert "noexec" not in second
    assert ran.lines[:3] == ["1777", "755", "shut"]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("t", InvalidInput, "mount path must be absolute"),
        ("/", InvalidInput, "destination can't be '/'"),
        ("/t:size", InvalidInput, "invalid tmpfs option 'size'"),
        ("/t:sise=1", InvalidInput, "invalid tmpfs option 'sise=1'"),
        ("/t:dev", Unsupported, "devices do not work"),
    ],
)
def test_bad_tmpfs(dock: Dock, text: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        dock.run("true", tmpfs=(text,))
    assert rows(dock) == []


def test_limits_are_kept_with_the_container(dock: Dock) -> None:
    given = {
        "add_hosts": (("a.test", "::1"),),
        "shm_size": 4096,
        "ulimits": (("core", 0, -1),),
        "tmpfs": ("/a", "/b:size=1k"),
    }
    dock.run("true", name="kept", **given)
    kept = settings.parse(rows(dock)[0].config_json)
    assert {name: getattr(kept, name) for name in given} == given


def test_names(dock: Dock) -> None:
    names = {dock.run("true").result.name for _ in range(3)}
    assert len(names) == 3
    assert all(re.fullmatch("[a-z]{3,}_[a-z]{3,}[0-9]*", name) for name in names)
    with pytest.raises(InvalidInput, match="Invalid container name"):
        dock.run("true", name="a b")


def test_a_program_that_cannot_run_is_remembered(dock: Dock) -> None:
    with pytest.raises(ProcessFailed) as caught:
        dock.run("nothere")
    assert caught.value.status == 127
    assert (rows(dock)[0].state, rows(dock)[0].exit_code) == ("exited", 127)


def in_background(dock: Dock, *command: str, **more: object) -> threading.Thread:
    thread = threading.Thread(target=lambda: dock.run(*command, **more))
    thread.start()
    deadline = time.monotonic() + 10
    while not any(row.state == "running" for row in rows(dock)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return thread


def test_running_containers(dock: Dock) -> None:
    thread = in_background(dock, "sleep", "99", name="sleeper")
    assert [item.row.name for item in listing(dock.ctx)] == ["sleeper"]
    with pytest.raises(Conflict, match="container is running"):
        remove(dock.ctx, "sleeper")
    remove(dock.ctx, "sleeper", force=True)
    thread.join(10)
    assert not thread.is_alive()
    assert listing(dock.ctx, all=True) == []
    assert os.listdir(dock.kitchen.layout.mnt) == []


def test_one_whose_lamina_died_has_exited(dock: Dock) -> None:
    ran = dock.run("true", name="lost")
    row = rows(dock)[0]
    state.put(dock.ctx, row._replace(state="running", pid=1, pid_start=12345))
    assert listing(dock.ctx) == []
    found = listing(dock.ctx, all=True, size=True)[0]
    assert (found.row.id, found.row.state, found.row.exit_code) == (ran.id, "exited", 137)
    assert found.size is not None
    gone, size = prune(dock.ctx)
    assert gone == (ran.id,)
    assert size >= 0


def test_removing_what_is_not_there(dock: Dock) -> None:
    with pytest.raises(NotFound, match="No such container: x"):
        remove(dock.ctx, "x")


def test_terminal(dock: Dock) -> None:
    master, end = pty.openpty()
    tty.setraw(end)
    answers: list[int] = []
    request = RunRequest(
        "busybox", ("sh", "-c", "echo $TERM; read x; echo got $x; exit 4"), interactive=True, tty=True
    )
    thread = threading.Thread(
        target=lambda: answers.append(run(dock.ctx, request, Stdio(end, end, end)).status)
    )
    thread.start()
    text = b""
    os.write(master, b"word\n")
    while b"got word\r\n" not in text:
        text += os.read(master, 1000)
    thread.join(10)
    assert answers == [4]
    assert b"xterm" in text
    os.close(master)
    os.close(end)


def test_our_terminal_is_not_given_without_tty(dock: Dock) -> None:
    master, end = pty.openpty()
    request = RunRequest("busybox", ("sh", "-c", "[ -t 1 ] && echo terminal || echo pipe"))
    assert run(dock.ctx, request, Stdio(end, end, end)).status == 0
    assert os.read(master, 100) == b"pipe\r\n"
    os.close(master)
    os.close(end)


def test_much_output_through_the_pump(dock: Dock) -> None:
    master, end = pty.openpty()
    got: list[int] = []

    def read() -> None:
        total = 0
        while total < 1_000_000:
            total += len(os.read(master, 65536))
        got.append(total)

    thread = threading.Thread(target=read)
    thread.start()
    request = RunRequest("busybox", ("dd", "if=/dev/zero", "bs=1000", "count=1000"), env=("PATH=/bin",))
    assert run(dock.ctx, request, Stdio(end, end, os.open(os.devnull, os.O_WRONLY))).status == 0
    thread.join(10)
    assert got == [1_000_000]
    os.close(master)
    os.close(end)


PROGRAM = """
import os, sys
sys.path[:0] = {path!r}
from pathlib import Path
from tests.containers.conftest import Dock
from lamina.containers.request import RunRequest
from lamina.containers.run import run
from lamina.containers.stdio import Stdio
dock = Dock(Path({folder!r}), "overlay")
command = ("sh", "-c", "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done")
result = run(dock.ctx, RunRequest("busybox", command, name="box"), Stdio(forward_signals=True))
dock.kitchen.close()
sys.exit(result.status)
"""


def started(folder: Path) -> subprocess.Popen[bytes]:
    here = Path(__file__).parent.parent.parent
    program = PROGRAM.format(path=[str(here), str(here / "src")], folder=str(folder))
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    return process


def test_signals_are_passed_on(dock: Dock) -> None:
    folder = dock.folder / "other"
    folder.mkdir()
    process = started(folder)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 9
    assert process.stdout is not None
    process.stdout.close()


def test_kill_9_of_lamina_ends_the_container(dock: Dock) -> None:
    folder = dock.folder / "other"
    folder.mkdir()
    process = started(folder)
    process.kill()
    process.wait()
    assert process.stdout is not None
    assert process.stdout.read() == b""  # the pipe ends when the container's process is dead
    process.stdout.close()
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()


def test_files_of_the_host_are_out_of_reach(dock: Dock) -> None:
    """A process gets pipes: a file that we read for it can be neither written nor given another mode."""
    given, taken = dock.folder / "given", dock.folder / "taken"
    given.write_text("text")
    given.chmod(0o640)
    with given.open("rb") as stdin, taken.open("wb") as stdout:
        fds = Stdio(stdin.fileno(), stdout.fileno(), stdout.fileno())
        script = "cat; echo; echo x 1<>/proc/self/fd/0; chmod 4777 /proc/self/fd/0 /proc/self/fd/1; echo end"
        run(dock.ctx, RunRequest("busybox", ("sh", "-c", script), interactive=True), fds)
    assert given.read_text() == "text"
    assert given.stat().st_mode & 0o7777 == 0o640
    assert taken.stat().st_mode & 0o7000 == 0
    assert taken.read_text().splitlines()[0] == "text"
    assert taken.read_text().endswith("end\n")


def test_a_reader_that_leaves_ends_the_writer(dock: Dock) -> None:
    out_read, out_write = socket.socketpair()  # not a pipe: it is pumped
    out_read.close()
    with out_write:
        fds = Stdio(0, out_write.fileno(), out_write.fileno())
        result = run(dock.ctx, RunRequest("busybox", ("sh", "-c", "while echo x; do :; done; exit 3")), fds)
    assert result.status in (3, 128 + signal.SIGPIPE)


def test_equal_volumes_count_once_and_dev_stays_ours(dock: Dock) -> None:
    volume = f"{dock.folder}:/a"
    assert dock.run("true", volumes=(volume, volume)).status == 0
    with pytest.raises(Unsupported, match="devices of the host"):
        dock.run("true", volumes=("/dev:/dev",))


def test_prune_leaves_what_is_about_to_run(dock: Dock) -> None:
    created = creating.create(dock.ctx, RunRequest("busybox", ("true",)))
    assert prune(dock.ctx) == ((), 0)
    gone = created.row._replace(pid_start=created.row.pid_start + 1)  # as when its Lamina was killed
    state.put(dock.ctx, gone)
    assert prune(dock.ctx)[0] == (gone.id,)
