"""What an image, its process or a volume might try on the host, each of it refused or without effect."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lamina.errors import InvalidInput, LaminaError, ProcessFailed
from lamina.fs.xattr import in_first_namespace
from lamina.mount.types import Mount
from lamina.mount.userns import IdMap
from lamina.sandbox import trampoline
from tests.sandbox.conftest import Box


def _python() -> os.stat_result:
    return os.stat("/proc/self/exe")


@pytest.mark.parametrize("place", ["/proc/self/exe", "/bin/link", "/bin/script"])
def test_the_hosts_python_is_never_executed_inside(box: Box, place: str) -> None:
    """CVE-2019-5736: as an entry point, over a link, as the interpreter of a script."""
    (box.lower / "bin/link").symlink_to("/proc/self/exe")
    (box.lower / "bin/script").write_text("#!/proc/self/exe\n")
    (box.lower / "bin/script").chmod(0o755)
    before = _python()
    ran = box.run(place, "-c", "print('inside')")
    assert (ran.status, ran.out) == (127, "")
    after = _python()
    assert (after.st_mode, after.st_ctime_ns) == (before.st_mode, before.st_ctime_ns)


def test_a_failed_exec_is_told_by_the_trampoline(box: Box) -> None:
    (box.lower / "bin/empty").write_text("no format\n")
    (box.lower / "bin/empty").chmod(0o755)
    with pytest.raises(ProcessFailed, match="exec /bin/empty: exec format error") as caught:
        box.run("/bin/empty")
    assert caught.value.status == 126
    assert box.run("sh", "-c", 'echo "$0" "$@"', "a b", "", "c").out == "a b  c\n"


def test_trampolines_are_small_and_for_known_machines() -> None:
    assert trampoline.program("riscv64") == b""
    for machine in ("x86_64", "aarch64"):
        assert trampoline.program(machine)[:4] == b"\x7fELF"
        assert len(trampoline.program(machine)) < 512


def test_devices_of_an_image_and_of_volumes_are_dead(box: Box) -> None:
    if not in_first_namespace():
        pytest.skip("needs root: device nodes")
    node = stat.S_IFCHR | 0o666
    os.mknod(box.lower / "zero", node, os.makedev(1, 5))
    (box.folder / "data").mkdir()
    os.mknod(box.folder / "data/zero", node, os.makedev(1, 5))
    binds = (
        Mount("bind", "/data", source=str(box.folder / "data"), recursive=True),
        Mount("bind", "/one", source=str(box.folder / "data/zero")),
        Mount("bind", "/console", source="/dev/ptmx"),
    )
    ran = box.sh(
        "for f in /zero /data/zero /console; do cat $f && echo open; done; cat /dev/null", mounts=binds
    )
    assert ran.out == ""
    assert ran.err.count("ermission denied") == 3
    assert box.sh("true < /one", mounts=binds).status == 0  # what every container may use, it may be given


def test_devices_can_be_used_by_every_user(box: Box, many_ids: None) -> None:
    ran = box.sh("echo x > /dev/null && echo y > /dev/zero && true < /dev/urandom && echo fine", user="app")
    assert ran.out == "fine\n"


def test_the_hosts_null_device_is_not_given(box: Box) -> None:
    before = os.stat("/dev/null").st_mode
    ran = box.sh("chmod 600 /proc/self/fd/0; stat -c %a /dev/null; stat -Lc %a /proc/self/fd/0")
    # In a user namespace it is the host's, where mknod is refused; then nobody in there may change it.
    assert ran.lines == (["600", "600"] if in_first_namespace() else ["666", "666"])
    assert os.stat("/dev/null").st_mode == before


def test_files_for_etc_are_whole_files(box: Box) -> None:
    assert box.sh("stat -c %h /etc/hosts /etc/hostname /etc/resolv.conf").lines == ["1", "1", "1"]
    (box.folder / "hosts").write_text("given\n")
    given = Mount("bind", "/etc/hosts", source=str(box.folder / "hosts"))
    assert box.run("cat", "/etc/hosts", mounts=(given,)).out == "given\n"
    ran = box.sh("for f in hosts hostname resolv.conf; do echo x >> /etc/$f; done", read_only=True)
    assert ran.err.count("Read-only file system") == 3


def test_a_volume_over_etc_does_not_hide_its_files(box: Box) -> None:
    (box.folder / "etc").mkdir()
    (box.folder / "etc/mine").write_text("")
    given = Mount("bind", "/etc", source=str(box.folder / "etc"))
    assert box.run("ls", "/etc", mounts=(given,)).lines == ["hostname", "hosts", "mine", "resolv.conf"]


@pytest.mark.parametrize("target", ["/proc", "/proc/sys", "/proc/self/attr", "/way"])
def test_nothing_is_mounted_inside_proc(box: Box, target: str) -> None:
    """CVE-2025-52881 and its like: what the kernel tells there is not an image's to replace."""
    (box.lower / "way").symlink_to("/proc/sys/kernel")
    (box.folder / "data").mkdir()
    with pytest.raises(InvalidInput, match="cannot be mounted because it is inside /proc"):
        box.run("true", mounts=(Mount("bind", target, source=str(box.folder / "data")),))


def test_figures_in_proc_may_be_given(box: Box) -> None:
    (box.folder / "file").write_text("one processor\n")
    given = Mount("bind", "/proc/cpuinfo", source=str(box.folder / "file"))
    assert box.run("cat", "/proc/cpuinfo", mounts=(given,)).out == "one processor\n"


@pytest.mark.parametrize("name", ["hosts", "resolv.conf", "hostname"])
def test_a_file_of_an_image_that_leads_into_proc_is_refused(box: Box, name: str) -> None:
    (box.lower / "etc" / name).symlink_to("/proc/sys/kernel/core_pattern")
    with pytest.raises(InvalidInput, match="inside /proc"):
        box.run("true")


def test_masks_do_not_come_from_what_an_image_put_over_the_null_device(box: Box) -> None:
    """CVE-2025-31133: what hides a file is the null device, whatever /dev/null leads to."""
    (box.lower / "etc/hosts").symlink_to("/dev/null")
    ran = box.sh("cat /proc/keys /proc/timer_list; stat -c %t:%T /proc/keys")
    assert (ran.out, ran.err) == ("1:3\n", "")


def test_the_terminal_is_not_looked_up_by_path(box: Box) -> None:
    """CVE-2025-52565: /dev/pts and /dev/console from a volume are not what the terminal is made with."""
    (box.folder / "pts").mkdir()
    (box.folder / "pts/ptmx").symlink_to("/proc/sys/kernel/core_pattern")
    (box.folder / "pts/0").symlink_to("/proc/sysrq-trigger")
    given = Mount("bind", "/dev/pts", source=str(box.folder / "pts"), recursive=True)
    process = box.start("/bin/sh", "-c", "stat -c %t /dev/console", terminal=True, mounts=(given,))
    master = process.terminal
    assert master is not None
    text = os.read(master, 100)
    assert process.wait() == 0
    os.close(master)
    process.close()
    assert text == b"88\r\n"  # 136: a terminal


@pytest.mark.parametrize("cwd", ["/way/new", "/loop"])
def test_a_working_directory_that_a_link_leads_to(box: Box, cwd: str, scratch: Path) -> None:
    (box.lower / "way").symlink_to(f"../../../..{scratch}/outside")
    (box.lower / "loop").symlink_to("/loop")
    if cwd == "/loop":
        with pytest.raises(LaminaError, match="cannot enter the working directory"):
            box.run("true", cwd=cwd)
        return
    ran = box.sh("pwd; stat -c %a . ..", cwd=cwd)
    assert ran.lines == [f"{scratch}/outside/new", "755", "755"]
    assert not (scratch / "outside").exists()


def test_a_passwd_file_with_odd_line_ends(box: Box, many_ids: None) -> None:
    """Only a newline ends a line, as for everyone else who reads this file."""
    rows = "app:x:1000:1001:a\x0bapp:x:0:0:\x1capp:x:0:0:\x85:/home/app:/bin/sh\nbig:x:99999999999:1::/:\n"
    (box.lower / "etc/passwd").write_text(rows)
    assert box.run("id", "-u", user="app").out == "1000\n"
    with pytest.raises(InvalidInput, match="must be in range"):
        box.run("id", user="big")


def test_no_terminal_without_one(box: Box) -> None:
    """TIOCSTI: a process never has the terminal of whoever started us."""
    assert box.sh("true < /dev/tty").status != 0


def test_mounts_are_not_seen_by_the_host(box: Box, inside: IdMap) -> None:
    process = box.start("/bin/sleep", "9")
    assert str(box.folder) not in Path("/proc/self/mountinfo").read_text()
    process.close()
