"""The same processes as an ordinary user: in a user namespace with many IDs, and with one."""

from __future__ import annotations

import fcntl  # noqa: F401  these five: the spawner of a test cannot read root's Python any more
import gc  # noqa: F401
import os
import select  # noqa: F401
import termios  # noqa: F401
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina.errors import Denied
from lamina.mount import userns
from lamina.sandbox import limits, spawner  # noqa: F401
from lamina.sandbox.native import NativeRuntime
from lamina.sandbox.spec import HeldFile
from lamina.testing import isolate
from tests.machine import quick_place
from tests.sandbox.conftest import Box

if TYPE_CHECKING:
    from collections.abc import Callable

IDS = ("one", "many")


def in_box(ids: isolate.Ids, check: Callable[[Box], None]) -> None:
    """Run `check` as root of a user namespace."""

    def test(folder: str) -> None:
        runtime = NativeRuntime()
        try:
            check(Box(Path(folder), runtime, "userxattr"))
        finally:
            runtime.close()

    try:
        isolate.run(test, ids, base=quick_place())
    except isolate.Skip as skip:
        pytest.skip(str(skip))


@pytest.mark.parametrize("ids", IDS)
def test_everything_is_mounted(ids: isolate.Ids) -> None:
    def check(box: Box) -> None:
        ran = box.sh(
            "id -u; for n in null zero full random urandom tty ptmx; do [ -c /dev/$n ] || echo no $n; done; "
            "echo x > /dev/null; [ -d /proc/1 ] && [ -d /sys/class/net ] && hostname; cat /proc/mounts",
            hostname="box",
        )
        assert ran.status == 0, ran
        assert ran.lines[:2] == ["0", "box"]
        mounts = {row.split()[1]: row.split()[2:4] for row in ran.lines[2:]}
        assert mounts["/sys"][1].startswith("ro,")
        assert mounts["/proc/sys"][1].startswith("ro,")
        assert box.sh("touch /sys/x").status != 0
        assert box.sh("cat /proc/timer_list; ls /sys/firmware").out == ""

    in_box(ids, check)


@pytest.mark.parametrize("ids", IDS)
def test_network_none(ids: isolate.Ids) -> None:
    def check(box: Box) -> None:
        ran = box.sh("ls /sys/class/net; ip addr show lo", network="none")
        assert ran.lines[0] == "lo"
        assert "127.0.0.1" in ran.out

    in_box(ids, check)


@pytest.mark.parametrize("ids", IDS)
def test_terminal(ids: isolate.Ids) -> None:
    def check(box: Box) -> None:
        process = box.start("/bin/sh", "-c", "tty; echo hello > /dev/console", terminal=True)
        assert process.terminal is not None
        assert process.wait() == 0
        text = b""
        while b"hello" not in text:
            text += os.read(process.terminal, 1000)  # EIO at its end
        os.close(process.terminal)
        process.close()

    in_box(ids, check)


def test_one_id_pretends_to_change_owners() -> None:
    def check(box: Box) -> None:
        assert userns.current_ids().single
        assert box.sh("touch /tmp/f && chown 33:44 /tmp/f && id -u", user="app").out == "0\n"
        # An identity that does not exist here cannot be had; the program is told that it has it.
        assert box.run("stat", "-c", "%u", "/tmp/f").out == "0\n"

    in_box("one", check)


def test_one_id_tells_apt() -> None:
    def check(box: Box) -> None:
        (box.lower / "etc/apt/apt.conf.d").mkdir(parents=True)
        ran = box.sh("cat /etc/apt/apt.conf.d/*")
        assert ran.out == 'APT::Sandbox::User "root";\n'
        assert b"etc/apt/apt.conf.d/zz-lamina-one-id" in ran.stubs

    in_box("one", check)


def test_many_ids_are_real() -> None:
    def check(box: Box) -> None:
        assert not userns.current_ids().single
        assert box.sh("touch /tmp/f && chown 33:44 /tmp/f && stat -c %u:%g /tmp/f").out == "33:44\n"
        assert box.run("id", user="app").out.startswith("uid=1000(app) gid=1001(app)")
        ran = box.sh("touch /tmp/g; chown 100000 /tmp/g")
        assert ran.status != 0

    in_box("many", check)


def test_capabilities_of_an_ordinary_users_root() -> None:
    def check(box: Box) -> None:
        rows = box.run("grep", "CapEff", "/proc/self/status").out.split()
        assert rows[1] == "00000000a80425fb"
        assert box.sh("mount -t tmpfs none /tmp").status != 0

    in_box("many", check)


@pytest.mark.parametrize("ids", IDS)
def test_insecure_as_an_ordinary_user(ids: isolate.Ids) -> None:
    def check(box: Box) -> None:
        ran = box.sh(
            "grep CapEff /proc/self/status; touch /f && chown 5:6 /f && unshare -m true && echo ok",
            security="insecure",
        )
        assert ran.lines[-1] == "ok", ran
        assert int(ran.lines[0].split()[1], 16) & 1 << 21  # CAP_SYS_ADMIN, of this namespace
        assert box.sh("grep CapEff /proc/self/status").out.split()[1] == "00000000a80425fb"

    in_box(ids, check)


@pytest.mark.parametrize("ids", IDS)
def test_held_files_and_limits_as_an_ordinary_user(ids: isolate.Ids) -> None:
    def check(box: Box) -> None:
        ran = box.sh(
            "stat -c %a /s; cat /s; ulimit -Sn; ulimit -Hn",
            files=(HeldFile("/s", b"held\n", 0o440, 7, 8),),
            ulimits=(("nofile", 30, 40),),
        )
        assert ran.lines == ["440", "held", "30", "40"]
        with pytest.raises(Denied, match="cannot set the limit"):
            box.run("true", ulimits=(("nofile", 1 << 40, 1 << 40),))

    in_box(ids, check)
