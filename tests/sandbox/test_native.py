"""One process in a busybox root: what it sees, what it may do, how it ends."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from lamina.errors import InvalidInput, LaminaError, ProcessFailed
from lamina.fs.xattr import in_first_namespace
from lamina.mount.types import Mount
from lamina.sandbox.native import NativeRuntime
from tests.sandbox.conftest import Box


def test_namespaces_are_its_own(box: Box) -> None:
    ran = box.sh("for n in mnt pid ipc uts net user; do ls -l /proc/self/ns/$n; done")
    names = [line.rpartition("-> ")[2] for line in ran.lines]
    mine = [os.readlink(f"/proc/self/ns/{name}") for name in ("mnt", "pid", "ipc", "uts", "net", "user")]
    assert [theirs == ours for theirs, ours in zip(names, mine, strict=True)] == [False] * 4 + [True] * 2


def test_sees_its_own_processes_only(box: Box) -> None:
    ran = box.sh("echo $$; ls /proc | grep -c '^[0-9]'")
    assert ran.lines[0] == "1"
    assert int(ran.lines[1]) <= 3


def test_environment_is_exact_with_home_of_the_user(box: Box) -> None:
    assert box.run("env").lines == ["PATH=/bin", "HOME=/root"]
    assert "HOME=/home/app" in box.run("env", user="app").lines
    assert "HOME=/x" in box.run("env", env=(("PATH", "/bin"), ("HOME", "/x"))).lines


def test_no_descriptor_of_ours(box: Box) -> None:
    ran = box.sh("for f in /proc/self/fd/*; do echo ${f##*/}; done")
    assert set(ran.lines) <= {"0", "1", "2", "3"}  # 3 is the folder that the shell lists


def test_devices_and_standard_mounts(box: Box) -> None:
    script = "for n in null zero full random urandom tty ptmx; do [ -c /dev/$n ] || echo no $n; done; "
    script += "[ -d /dev/pts ] && echo x > /dev/null && cat /proc/mounts"
    ran = box.sh(script)
    assert ran.status == 0
    mounts = {row.split()[1]: row.split()[2:4] for row in ran.lines}
    assert mounts["/proc"][0] == "proc"
    assert mounts["/dev/shm"][0] == "tmpfs"
    assert mounts["/sys"][0] == "sysfs"
    assert mounts["/sys"][1].startswith("ro,")
    assert mounts["/proc/sys"][1].startswith("ro,")


def test_masked_and_read_only_paths(box: Box) -> None:
    assert box.sh("cat /proc/timer_list /proc/keys; ls /sys/firmware").out == ""
    assert box.sh("echo 1 > /proc/sys/kernel/printk").status != 0
    assert box.sh("echo b > /proc/sysrq-trigger").status != 0


def test_capabilities_are_dockers(box: Box) -> None:
    rows = dict(line.split(":\t") for line in box.run("grep", "Cap", "/proc/self/status").lines)
    assert rows["CapEff"] == rows["CapPrm"] == rows["CapBnd"] == "00000000a80425fb"
    assert rows["CapInh"] == rows["CapAmb"] == "0000000000000000"


def test_capabilities_of_an_ordinary_user(box: Box, many_ids: None) -> None:
    rows = dict(line.split(":\t") for line in box.run("grep", "Cap", "/proc/self/status", user="app").lines)
    assert rows["CapEff"] == rows["CapPrm"] == "0000000000000000"
    assert rows["CapBnd"] == "00000000a80425fb"


def test_seccomp_refuses_what_docker_refuses(box: Box) -> None:
    assert box.run("grep", "Seccomp:", "/proc/self/status").out.split() == ["Seccomp:", "2"]
    ran = box.sh("mount -t tmpfs none /tmp")
    assert ran.status != 0
    assert "permi" in ran.err
    assert box.sh("unshare -U true").status != 0


def test_root_may_make_devices_but_not_use_them(box: Box) -> None:
    if not in_first_namespace():
        pytest.skip("needs root: device nodes")
    for place in ("/tmp/n", "/dev/n"):
        ran = box.sh(f"mknod {place} c 1 3 && echo made && cat {place}")
        assert (ran.out, ran.status) == ("made\n", 1)
        assert "ermission denied" in ran.err


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", "uid=0(root) gid=0(root) groups=0(root),10(wheel)"),
        ("app", "uid=1000(app) gid=1001(app) groups=10(wheel),50(staff),1001(app)"),
        ("1000", "uid=1000(app) gid=1001(app) groups=10(wheel),50(staff),1001(app)"),
        ("app:staff", "uid=1000(app) gid=50(staff) groups=50(staff)"),
        ("4321:8765", "uid=4321 gid=8765 groups=8765"),
        ("4321", "uid=4321 gid=0(root) groups=0(root)"),
    ],
)
def test_users(box: Box, many_ids: None, user: str, expected: str) -> None:
    assert box.run("id", user=user).out.strip() == expected


def test_unknown_user(box: Box) -> None:
    with pytest.raises(InvalidInput, match="unable to find user nobody-here: no matching entries"):
        box.run("id", user="nobody-here")
    with pytest.raises(InvalidInput, match="unable to find group g"):
        box.run("id", user="app:g")


def test_exit_codes(box: Box) -> None:
    assert box.sh("exit 7").status == 7
    assert box.sh("kill -9 $$ & sleep 9 & exec /bin/sh -c 'exit 3'").status == 3
    with pytest.raises(
        ProcessFailed, match=r'exec: "nothere": executable file not found in \$PATH'
    ) as caught:
        box.run("nothere")
    assert caught.value.status == 127
    (box.lower / "bin/plain").write_text("x")
    with pytest.raises(ProcessFailed, match="permission denied") as caught:
        box.run("/bin/plain")
    assert caught.value.status == 126
    with pytest.raises(ProcessFailed, match="stat /nope: no such file or directory") as caught:
        box.run("/nope")
    assert caught.value.status == 127
    (box.lower / "bin/script").write_text("#!/no/such/interpreter\n")
    (box.lower / "bin/script").chmod(0o755)
    with pytest.raises(ProcessFailed) as caught:
        box.run("script")
    assert caught.value.status == 127


def test_signals_and_kill(box: Box) -> None:
    process = box.start("/bin/sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.05; done")
    time.sleep(0.2)
    process.signal(signal.SIGTERM)
    assert process.wait() == 5
    process.close()
    process = box.start("/bin/sleep", "99")
    assert os.path.exists(f"/proc/{process.pid}")
    process.kill()
    assert process.wait() == 128 + signal.SIGKILL
    assert not os.path.exists(f"/proc/{process.pid}")
    process.signal(signal.SIGTERM)  # nothing to hit, no error
    process.close()


def test_background_processes_end_with_it(box: Box) -> None:
    ran = box.sh("(while :; do echo x >> /tmp/log; done) & sleep 0.1; exit 0")
    assert ran.status == 0
    size = (box.upper / "tmp/log").stat().st_size
    time.sleep(0.1)
    assert (box.upper / "tmp/log").stat().st_size == size


def test_network_none_has_only_loopback_and_it_is_up(box: Box) -> None:
    ran = box.sh("ls /sys/class/net; ip addr show lo", network="none")
    assert ran.lines[0] == "lo"
    assert "127.0.0.1" in ran.out
    assert len(box.sh("ls /sys/class/net").lines) == len(os.listdir("/sys/class/net"))


def test_host_files_are_given_and_not_left(box: Box) -> None:
    (box.lower / "etc/hosts").write_text("old\n")
    ran = box.sh(
        "cat /etc/hosts /etc/hostname; hostname; echo 1.2.3.4 x >> /etc/hosts; cat /etc/resolv.conf",
        hostname="box",
        extra_hosts=(("db", "10.0.0.9"),),
    )
    assert "10.0.0.9\tdb" in ran.out
    assert "127.0.0.1\tbox" in ran.out
    assert ran.lines.count("box") == 2
    assert ran.out.endswith(Path("/etc/resolv.conf").read_text())
    assert not (box.upper / "etc/hosts").exists()
    assert b"etc/hosts" not in ran.stubs


def test_stubs_are_reported(box: Box) -> None:
    (box.folder / "data").mkdir()
    (box.folder / "data/f").write_text("hello")
    bind = Mount("bind", "/srv/deep/data", source=str(box.folder / "data"))
    ran = box.sh("cat /srv/deep/data/f", mounts=(bind,))
    assert ran.out == "hello"
    expected = {b"proc", b"dev", b"sys", b"etc/hosts", b"etc/resolv.conf", b"etc/hostname"}
    assert set(ran.stubs) == expected | {b"srv", b"srv/deep", b"srv/deep/data"}
    left = {os.fsencode(path.relative_to(box.upper)) for path in box.upper.rglob("*")}
    assert left - {b"etc"} == set(ran.stubs)  # etc was copied up, and nothing else is there


def test_binds_may_be_read_only_and_files(box: Box) -> None:
    (box.folder / "f").write_text("one")
    bind = Mount("bind", "/etc/given", source=str(box.folder / "f"), read_only=True)
    ran = box.sh("cat /etc/given; echo two > /etc/given", mounts=(bind,))
    assert ran.out == "one"
    assert ran.status != 0
    assert (box.folder / "f").read_text() == "one"


def test_read_only_root(box: Box) -> None:
    ran = box.sh("touch /x; touch /dev/shm/y && echo fine", read_only=True)
    assert "Read-only" in ran.err
    assert ran.out == "fine\n"


def test_links_in_the_root_lead_nowhere_outside(box: Box, scratch: Path) -> None:
    outside = scratch / "outside"
    outside.mkdir()
    etc = box.lower / "etc"
    etc.rename(box.lower / "real")
    etc.symlink_to(outside)  # absolute: inside of the root it names another place
    ran = box.sh("cat /etc/hostname", hostname="box")
    assert ran.out == "box\n"
    assert list(outside.iterdir()) == []
    assert os.fsencode(outside / "hostname")[1:] in ran.stubs
    etc.unlink()
    etc.symlink_to("../../../../../../.." + str(outside))
    assert box.sh("cat /etc/hostname", hostname="box").out == "box\n"
    assert list(outside.iterdir()) == []


def test_a_link_to_a_file_that_is_there(box: Box) -> None:
    (box.lower / "run").mkdir()
    (box.lower / "run/resolv").write_text("of the image")
    (box.lower / "etc/resolv.conf").symlink_to("/run/resolv")
    ran = box.sh("cat /etc/resolv.conf")
    assert ran.status == 0
    assert "of the image" not in ran.out
    assert not {b"etc/resolv.conf", b"run/resolv"} & set(ran.stubs)
    assert (box.lower / "run/resolv").read_text() == "of the image"


@pytest.mark.parametrize("name", ["proc", "dev", "sys"])
def test_a_link_for_a_kernel_folder_is_refused(box: Box, name: str) -> None:
    (box.lower / name).symlink_to("tmp")
    with pytest.raises(InvalidInput, match=f"/{name} of the image is a symbolic link"):
        box.run("true")


def test_working_directory(box: Box) -> None:
    assert box.sh("pwd; ls -ld .", cwd="/a/b").out.startswith("/a/b\ndrwxr-xr-x")
    with pytest.raises(LaminaError, match="cannot enter the working directory"):
        box.run("true", cwd="/bin/busybox")
    for number in range(3, 30):
        with pytest.raises(LaminaError):
            box.run("true", cwd=f"/proc/self/fd/{number}")


def test_streams(box: Box) -> None:
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    process = box.start("/bin/cat", stdin=in_read, stdout=out_write, user="app")
    os.close(in_read)
    os.close(out_write)
    os.write(in_write, b"through")
    os.close(in_write)
    assert os.read(out_read, 100) == b"through"
    assert process.wait() == 0
    assert os.read(out_read, 100) == b""
    os.close(out_read)
    process.close()


def test_user_may_open_its_standard_output_again(box: Box) -> None:
    out_read, out_write = os.pipe()
    process = box.start("/bin/sh", "-c", "echo again > /dev/stdout", stdout=out_write, user="app")
    os.close(out_write)
    assert os.read(out_read, 100) == b"again\n"
    assert process.wait() == 0
    os.close(out_read)
    process.close()


def test_terminal(box: Box) -> None:
    process = box.start(
        "/bin/sh", "-c", "tty; stty size; read x; echo got $x", terminal=True, window=(33, 99)
    )
    master = process.terminal
    assert master is not None
    os.write(master, b"word\n")
    text = b""
    try:
        while chunk := os.read(master, 1000):
            text += chunk
    except OSError:
        pass  # EIO: the other end is gone
    assert process.wait() == 0
    assert b"/dev/pts/0" in text
    assert b"33 99" in text
    assert b"got word" in text
    os.close(master)
    process.close()


def test_many_at_once(box: Box, scratch: Path) -> None:
    boxes = [Box(_folder(scratch, number), box.runtime) for number in range(8)]
    results: dict[int, int] = {}

    def work(number: int) -> None:
        results[number] = boxes[number].sh(f"sleep 0.1; exit {number}").status

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: number for number in range(8)}


def _folder(scratch: Path, number: int) -> Path:
    folder = scratch / f"box{number}"
    folder.mkdir()
    return folder


def test_large_command_lines(box: Box) -> None:
    script = "# " + "x" * 100_000 + "\necho fine"
    big = tuple((f"V{number}", "y" * 100_000) for number in range(8))
    assert box.sh(script, env=(("PATH", "/bin"), *big)).out == "fine\n"


def test_what_cannot_be_run(box: Box) -> None:
    with pytest.raises(InvalidInput, match="zero byte"):
        box.run("true", "a\0b")
    with pytest.raises(InvalidInput, match="unknown network"):
        box.run("true", network="bridge")
    with pytest.raises(LaminaError, match="cannot prepare the mounts /no/such: No such file"):
        box.run("true", mounts=(Mount("bind", "/x", source="/no/such"),))
    assert box.run("true").status == 0


def test_runtime_leaves_nothing(box: Box) -> None:
    before = _descriptors()
    runtime = NativeRuntime()
    inner = Box(_folder(box.folder, 1), runtime)
    assert inner.run("true").status == 0
    process = inner.start("/bin/sleep", "99")
    runtime.close()
    assert process.wait() == 128 + signal.SIGKILL
    process.close()
    assert _descriptors() == before
    assert str(box.folder) not in Path("/proc/self/mountinfo").read_text()


def _descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("victim", ["lamina", "spawner"])
def test_kill_9_leaves_no_process(box: Box, victim: str) -> None:
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            runtime = NativeRuntime()
            inner = Box(_folder(box.folder, 1), runtime)
            process = inner.start("/bin/sh", "-c", "sleep 99 & sleep 99")
            theirs.send(f"{process.pid} {runtime._pid}".encode())
            time.sleep(99)
        finally:
            os._exit(1)
    container, spawner = map(int, ours.recv(100).split())
    os.kill(pid if victim == "lamina" else spawner, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while _alive(container) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _alive(container)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    ours.close()
    theirs.close()


def _alive(pid: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_starts_from_a_thread_that_ends(scratch: Path) -> None:
    runtime = NativeRuntime()
    thread = threading.Thread(target=runtime.warm)
    thread.start()
    thread.join()
    time.sleep(0.05)
    assert Box(scratch, runtime).run("true").status == 0
    runtime.close()
