"""What a process is given beside its root: mounts of other roots, files in memory, limits; and all powers."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from lamina.errors import Denied, InvalidInput, LaminaError
from lamina.mount import apply
from lamina.mount.types import Mount
from lamina.sandbox.accounts import Identity
from lamina.sandbox.spec import HeldFile
from tests.sandbox.conftest import Box


@pytest.fixture
def other(scratch: Path) -> Path:
    """A root with a link that seems to lead out of it."""
    root = scratch / "other"
    (root / "etc").mkdir(parents=True)
    (root / "etc/hostname").write_text("of the other\n")
    (root / "file").write_text("file\n")
    (root / "link").symlink_to("../../../etc/hostname")
    (root / "folder").symlink_to("/etc")
    (scratch / "aside").mkdir()
    return root


def test_an_inner_path_of_another_root(box: Box, other: Path, scratch: Path) -> None:
    aside = (Mount("bind", str(scratch / "aside"), str(other)),)
    source = str(scratch / "aside")
    mounts = tuple(
        Mount("bind", f"/m/{number}", source, read_only=True, inside=inside)
        for number, inside in enumerate(("/", "file", "/link", "folder/hostname", "../../folder"))
    )
    ran = box.sh(
        "cat /m/0/file /m/1 /m/2 /m/3 /m/4/hostname; touch /m/0/x || echo shut", aside=aside, mounts=mounts
    )
    assert ran.lines == ["file", "file", *["of the other"] * 3, "shut"]
    assert source not in Path("/proc/self/mounts").read_text()
    assert not list((scratch / "aside").iterdir())


def test_an_inner_path_that_is_not_there(box: Box, other: Path) -> None:
    with pytest.raises(LaminaError, match="No such file"):
        box.run("true", mounts=(Mount("bind", "/m", str(other), inside="nope"),))


def test_held_files(box: Box, many_ids: None) -> None:
    files = (HeldFile("/run/a", b"\0\xff"), HeldFile("/run/b", b"b", 0o6755, 1000, 10))
    ran = box.sh(
        "stat -c '%a %u:%g %s' /run/a /run/b; grep /run/ /proc/mounts; echo > /run/a || echo shut",
        files=files,
    )
    assert ran.lines[:2] == ["400 0:0 2", "6755 1000:10 1"]
    first, second = (line.split()[3].split(",") for line in ran.lines[2:4])
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(first)
    assert {"ro", "nosuid", "nodev"} <= set(second)
    assert "noexec" not in second
    assert ran.lines[4:] == ["shut"]
    assert {b"run", b"run/a", b"run/b"} <= set(ran.stubs)


def test_held_files_are_not_in_the_repr(box: Box) -> None:
    spec = box.spec("true", files=(HeldFile("/a", b"hush"),), env=(("A", "hush"),))
    assert "hush" not in repr(spec)


def test_a_file_of_someone_who_may_read_it(box: Box, many_ids: None) -> None:
    files = (HeldFile("/tmp/mine", b"mine", 0o400, 1000), HeldFile("/tmp/roots", b"no"))
    assert box.sh("cat /tmp/mine; cat /tmp/roots 2>/dev/null", user="app", files=files).out == "mine"


def test_tmpfs_modes(box: Box) -> None:
    (box.lower / "home").mkdir()
    (box.lower / "home").chmod(0o701)
    mounts = (
        Mount("tmpfs", "/home", options="nosuid", read_only=True),
        Mount("tmpfs", "/new"),
        Mount("tmpfs", "/said", options="mode=750,size=8k"),
    )
    ran = box.sh("stat -c %a /home /new /said; touch /home/x || echo shut; touch /new/x", mounts=mounts)
    assert ran.lines == ["701", "1777", "750", "shut"]


def test_a_read_only_mount_over_etc(box: Box, other: Path) -> None:
    mount = Mount("bind", "/etc", str(other / "etc"), read_only=True)
    assert box.sh("cat /etc/hostname; ls /etc", mounts=(mount,), hostname="box").lines == ["box", "hostname"]
    assert box.sh("ls -A /etc", mounts=(Mount("tmpfs", "/etc", read_only=True),)).lines == []


def test_limits(box: Box) -> None:
    ran = box.sh(
        "ulimit -Sn; ulimit -Hn; ulimit -s", ulimits=(("nofile", 50, 60), ("stack", 1 << 20, 1 << 20))
    )
    assert ran.lines == ["50", "60", "1024"]
    assert box.sh("ulimit -c", ulimits=(("core", -1, -1),)).lines == ["unlimited"]


def test_a_limit_that_the_kernel_refuses(box: Box) -> None:
    with pytest.raises(Denied, match="cannot set the limit nofile=-1:-1"):
        box.run("true", ulimits=(("nofile", -1, -1),))


def test_unknown_security(box: Box) -> None:
    with pytest.raises(InvalidInput, match="unknown security"):
        box.run("true", security="none")


def test_insecure_shows_all_of_proc_and_sys(box: Box) -> None:
    ran = box.sh("cat /proc/mounts", security="insecure")
    places = {line.split()[1]: line.split()[3] for line in ran.lines}
    assert not {"/proc/sys", "/proc/kcore", "/proc/timer_list", "/sys/firmware"} & places.keys()
    assert places["/sys"].startswith("rw")
    assert "nodev" not in places["/"].split(",")


def test_insecure_may_make_all_calls(box: Box, many_ids: None) -> None:
    assert box.sh("unshare -m true", security="insecure").status == 0
    assert box.sh("unshare -m true").status != 0
    assert box.sh("mkdir /x && mount -t tmpfs x /x && touch /x/y", security="insecure").status == 0
    assert box.sh("unshare -m true", security="insecure", user="app").status == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="devices of the host are root's")
def test_insecure_has_devices(box: Box) -> None:
    wanted = [name for name in ("fuse", "kmsg", "net/tun", "loop-control") if os.path.exists(f"/dev/{name}")]
    script = f"for d in {' '.join(wanted)}; do [ -c /dev/$d ] || echo no $d; done"
    ran = box.sh(script, security="insecure")
    assert ran.out == ""
    assert (
        box.sh(
            "mknod /n c 1 3 && echo x > /n && mknod /dev/n c 1 3 && echo x > /dev/n", security="insecure"
        ).status
        == 0
    )


def test_a_root_that_is_mounted_already(box: Box) -> None:
    (box.lower / "of").write_text("the lower\n")
    spec = box.spec("/bin/sh", "-c", "cat /of; echo x > /made; grep -c merged /proc/mounts")
    root = apply.detached(spec.root[0])
    outer = Path("/proc/self/mounts").read_text()
    with open(os.devnull, "r+b") as null, tempfile.TemporaryFile() as out:
        # the lowers that the spec names are not looked at any more
        gone = replace(spec.root[0], lowers=("/nowhere",))
        process = box.runtime.start(
            replace(spec, root=(gone,)), null.fileno(), out.fileno(), null.fileno(), root
        )
        os.close(root)
        try:
            assert process.wait() == 1  # grep found none
        finally:
            process.close()
        out.seek(0)
        assert out.read() == b"the lower\n0\n"
    assert (box.upper / "made").read_text() == "x\n"
    assert Path("/proc/self/mounts").read_text() == outer


def test_an_identity_that_is_known(box: Box, many_ids: None) -> None:
    who = Identity(1000, 1001, (1001, 50), "/somewhere")
    ran = box.sh("id -u; id -g; id -G; echo $HOME", user="nobody-knows", identity=who)
    assert ran.lines == ["1000", "1001", "1001 50", "/somewhere"], ran
