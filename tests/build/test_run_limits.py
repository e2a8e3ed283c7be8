"""RUN --network and --security, and what the whole build says: --ulimit, --shm-size, --add-host."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina.build.given import Ulimit
from lamina.dockerfile import DockerfileError
from lamina.errors import LaminaError
from lamina.graph.runs import INSECURE

from .mounted import shown
from .test_run import leftovers

if TYPE_CHECKING:
    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)


def test_ulimit(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN ulimit -Sn; ulimit -Hn; ulimit -c\n"
    assert shown(kitchen, text, ulimits=(Ulimit("nofile", 100, 200), Ulimit("core", 0, 0))) == "100\n200\n0\n"
    assert not kitchen.build(text, ulimits=(Ulimit("nofile", 101, 200), Ulimit("core", 0, 0))).cached
    assert kitchen.build(text, ulimits=(Ulimit("core", 0, 0), Ulimit("nofile", 101, 200))).cached


def test_ulimit_that_cannot_be(kitchen: Kitchen) -> None:
    with pytest.raises(LaminaError, match="cannot set the limit nofile=-1:-1"):
        kitchen.build("FROM busybox\nRUN true\n", ulimits=(Ulimit("nofile", -1, -1),))
    assert leftovers(kitchen) == []


def test_shm_size(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN grep ' /dev/shm ' /proc/mounts\n"
    assert "size=65536k" in shown(kitchen, text)
    assert "size=2048k" in shown(kitchen, text, shm_size=2 << 20)


def test_add_host(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN grep example /etc/hosts\n"
    hosts = (("example.test", "10.1.2.3"), ("six.example.test", "2001:db8::1"))
    assert shown(kitchen, text, add_hosts=hosts) == "10.1.2.3\texample.test\n2001:db8::1\tsix.example.test\n"
    assert kitchen.build(text, add_hosts=(hosts[0], ("six.example.test", "::2"))).cached
    assert not kitchen.build(text, add_hosts=hosts[:1]).cached


def test_network_none(kitchen: Kitchen) -> None:
    assert shown(kitchen, "FROM busybox\nRUN --network=none cat /proc/net/dev | grep -c :\n") == "1\n"


def test_network_default_and_host(kitchen: Kitchen) -> None:
    ours = str(len(Path("/proc/net/dev").read_text().splitlines()))
    for flag in ("--network=default", "--network=host"):
        assert (
            shown(kitchen, f"FROM busybox\nRUN {flag} wc -l < /proc/net/dev\n", no_cache=True).strip() == ours
        )


def test_security_insecure_needs_allow(kitchen: Kitchen) -> None:
    with pytest.raises(DockerfileError, match=r"security\.insecure is not allowed") as caught:
        kitchen.build("FROM busybox\nRUN true\nRUN --security=insecure true\n")
    assert (caught.value.line, caught.value.column) == (3, 5)
    assert "--allow security.insecure" in str(caught.value.hint)
    assert kitchen.started == []
    kitchen.build("FROM busybox AS unused\nRUN --security=insecure true\nFROM busybox\n")


def test_security_insecure(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN --security=insecure cat /proc/self/status; cat /proc/mounts\n"
    output = shown(kitchen, text, allow=frozenset({INSECURE}))
    fields = dict(line.split(":\t", 1) for line in output.splitlines() if ":\t" in line)
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    ours = int(
        next(line for line in Path("/proc/self/status").read_text().splitlines() if "CapBnd" in line)[8:], 16
    )
    for name in ("CapBnd", "CapEff", "CapPrm"):
        assert int(fields[name], 16) == ours & (1 << last + 1) - 1
    mounts = {
        line.split()[1]: line.split()[3] for line in output.splitlines() if line.startswith(("sysfs", "proc"))
    }
    assert mounts["/sys"].startswith("rw")
    assert "/proc/sys" not in mounts
    plain = shown(kitchen, "FROM busybox\nRUN --security=sandbox cat /proc/self/status\n")
    assert "CapEff:\t00000000a80425fb" in plain


def test_security_insecure_has_no_seccomp_filter(kitchen: Kitchen, many_ids: None) -> None:
    text = "FROM busybox\nRUN --security=insecure grep ^Seccomp: /proc/self/status\n"
    ours = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("Seccomp:")
    )
    assert shown(kitchen, text, allow=frozenset({INSECURE})).split() == ours.split()


def test_security_insecure_as_another_user(kitchen: Kitchen, many_ids: None) -> None:
    text = "FROM busybox\nUSER worker\nRUN --security=insecure id -u; grep CapEff /proc/self/status\n"
    assert shown(kitchen, text, allow=frozenset({INSECURE})).startswith("1234\nCapEff:\t0000")
    assert "0000000000000000" not in kitchen.output


def test_security_insecure_counts(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nRUN true\n")
    assert not kitchen.build(
        "FROM busybox\nRUN --security=insecure true\n", allow=frozenset({INSECURE})
    ).cached
