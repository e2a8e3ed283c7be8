"""Rule 4 against its adversary: what the kernel and ld.so read for a program, and whom it runs as."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from .untouched.case import Case, check_here, some
from .untouched.nodes import built, file, folder, link, script

if TYPE_CHECKING:
    from .untouched.lab import Lab

pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("inside")]

CAP_CHOWN = struct.pack("<5I", 0x02000001, 1, 0, 0, 0)
TWO_PLACES = "ENV LD_LIBRARY_PATH=/data/a:/data/b\n"
IN_B = {"data/b/libvalue.so": built("libvalue-1.so"), "data/a": folder()}
USERS = "root:x:0:0:root:{}:/bin/sh\nworker:x:{}:4321:w:{}:/bin/sh\n"
GROUPS = "root:x:0:\nworkers:x:4321:\nothers:x:77:{}\n"


def passwd(uid: int = 1234, home: str = "/home/worker", root: str = "/root") -> dict[str, object]:
    return {"etc/passwd": file(USERS.format(root, uid, home))}


# fmt: off
LOADER = [
    Case("LD_LIBRARY_PATH, found first", "dynamic > /out", IN_B, {"data/a/libvalue.so": built("libvalue-2.so")}, TWO_PLACES),
    Case("LD_LIBRARY_PATH, found first, hwcaps", "dynamic > /out", IN_B, {f"data/a/glibc-hwcaps/x86-64-v{n}/libvalue.so": built("libvalue-2.so") for n in (2, 3, 4)}, TWO_PLACES),
    Case("content of a library", "dynamic > /out", IN_B, {"data/b/libvalue.so": built("libvalue-2.so")}, TWO_PLACES),
    Case("library that is gone", "dynamic > /out 2>&1", IN_B, {"data/b/libvalue.so": None}, TWO_PLACES),
    Case("link to a library", "dynamic > /out", {"data/b/libvalue.so": link("v1"), "data/b/v1": built("libvalue-1.so"), "data/b/v2": built("libvalue-2.so")}, {"data/b/libvalue.so": link("v2")}, TWO_PLACES),
    Case("DT_RPATH", "dynamic-rpath > /out", {"data/two/libvalue.so": built("libvalue-1.so")}, {"data/one/libvalue.so": built("libvalue-2.so")}),
    Case("$ORIGIN", "/data/bin/tool > /out", {"data/v1/bin/tool": built("dynamic-origin"), "data/v2/bin/tool": built("dynamic-origin"), "data/v1/lib/libvalue.so": built("libvalue-1.so"), "data/v2/lib/libvalue.so": built("libvalue-2.so"), "data/bin": link("v1/bin")}, {"data/bin": link("v2/bin")}),
    Case("/etc/ld.so.preload", "dynamic > /out", {**IN_B, "data/2.so": built("libvalue-2.so")}, {"etc/ld.so.preload": file("/data/2.so\n")}, TWO_PLACES),
    Case("LD_PRELOAD", "dynamic > /out 2>/dev/null", IN_B, {"data/2.so": built("libvalue-2.so")}, TWO_PLACES + "ENV LD_PRELOAD=/data/2.so\n"),
    Case("the usual folders", "dynamic > /out 2>&1", {"usr/lib/libvalue.so": built("libvalue-1.so")}, {"lib/libvalue.so": built("libvalue-2.so")}),
    Case("PT_INTERP", "/data/tool > /out 2>&1", {"data/tool": built("odd-interp"), "data/interp": built("say-one")}, {"data/interp": built("say-two")}),
    Case("PT_INTERP that is gone", "/data/tool > /out 2>&1", {"data/tool": built("odd-interp"), "data/interp": built("say-one")}, {"data/interp": None}),
]

PROGRAMS = [
    Case("content of a program", "/data/tool > /out", {"data/tool": built("say-one")}, {"data/tool": built("say-two")}),
    Case("link to a program", "/data/tool > /out", {"data/tool": link("1"), "data/1": built("say-one"), "data/2": built("say-two")}, {"data/tool": link("2")}),
    Case("program by a descriptor", "probe exec-path /data/tool tool > /out", {"data/tool": built("say-one")}, {"data/tool": built("say-two")}),
    Case("its own name", "/data/l/tool exe > /out", {"data/1/tool": built("probe"), "data/2/tool": built("probe"), "data/l": link("1")}, {"data/l": link("2")}),
    Case("#!", "/data/tool > /out", {"data/tool": file("#!/data/interp\n", 0o755), "data/interp": built("say-one")}, {"data/interp": built("say-two")}),
    Case("#! by a link", "/data/tool > /out", {"data/tool": file("#!/data/i\n", 0o755), "data/i": link("1"), "data/1": built("say-one"), "data/2": built("say-two")}, {"data/i": link("2")}),
    Case("#! of a #!", "/data/tool > /out", {"data/tool": file("#!/data/i\n", 0o755), "data/i": file("#!/data/j\n", 0o755), "data/j": built("say-one")}, {"data/j": built("say-two")}),
    Case("#! env", "/data/tool > /out", {"data/tool": file("#!/bin/env say\n", 0o755), "data/b/say": built("say-one")}, {"data/a/say": built("say-two")}, "ENV PATH=/data/a:/data/b:/bin\n"),
    Case("#! of a here-document", "<<EOF\n#!/data/sh\necho 1 > /out\nEOF", {"data/sh": link("/bin/busybox")}, {"data/sh": file("#!/bin/busybox sh\necho 2 > /out\n", 0o755)}),
    Case("not executable any more", "/data/tool > /out 2>&1", {"data/tool": built("say-one")}, {"data/tool": built("say-one", 0o644)}),
    Case("program of the shell", "hello > /out 2>&1", {"bin/hello": script("echo 1")}, {"bin/hello": script("echo 2")}),
    Case("the shell itself", "echo $A > /out", {"bin/sh": link("busybox")}, {"bin/sh": file('#!/bin/busybox sh\nexport A=1; exec /bin/busybox sh "$@"\n', 0o755)}),
    Case("SHELL", "x", {"data/shell": script("echo 1 > /out")}, {"data/shell": script("echo 2 > /out")}, 'SHELL ["/data/shell"]\n'),
    Case("setuid", "/data/tool caps > /tmp/out", {"data/tool": built("probe")}, {"data/tool": built("probe", 0o4755)}, "USER 1000\n", needs="ids"),
    Case("capabilities of a file", "/data/tool caps > /tmp/out", {"data/tool": built("probe")}, {"data/tool": built("probe", security__capability=CAP_CHOWN)}, "USER 1000\n", needs="ids"),
    Case("chroot", "chroot /data/r /probe cat /f > /out", {"data/r/probe": built("probe"), "data/r/f": file("1")}, {"data/r/f": file("2")}),
    Case("chroot: a link in it", "chroot /data/r /probe cat /l > /out", {"data/r/probe": built("probe"), "data/r/a": file("1"), "data/r/b": file("2"), "data/r/l": link("/a")}, {"data/r/l": link("/b")}),
]

USERS_OF_A_STEP = [
    Case("getpwnam", "id worker > /out 2>&1", passwd(), passwd(uid=99)),
    Case("getpwuid", "whoami > /out 2>&1", passwd(), {"etc/passwd": file("boss:x:0:0::/:/bin/sh\n")}),
    Case("chown by name", "touch /n; chown worker /n", passwd(), passwd(uid=99), needs="ids"),
    Case("~ of a name", "echo ~worker > /out", passwd(), passwd(home="/data")),
    Case("USER by name", "id -u > /tmp/out", passwd(), passwd(uid=99), "USER worker\n", needs="ids"),
    Case("HOME of USER by name", "echo $HOME > /tmp/out", passwd(), passwd(home="/data"), "USER worker\n"),
    Case("HOME of USER by number", "echo $HOME > /tmp/out", passwd(), passwd(home="/data"), "USER 1234\n"),
    Case("HOME of root", "echo $HOME > /tmp/out", passwd(), passwd(root="/data")),
    Case("group of USER by name", "id -g > /tmp/out", {"etc/group": file(GROUPS.format(""))}, {"etc/group": file(GROUPS.format("").replace("77", "88"))}, "USER worker:others\n", needs="ids"),
    Case("further groups of USER", "id -G > /tmp/out", {"etc/group": file(GROUPS.format(""))}, {"etc/group": file(GROUPS.format("worker"))}, "USER worker\n", needs="ids"),
    Case("USER by a passwd that is a link", "id -u > /tmp/out", {**passwd(), "etc/passwd": link("p1"), "etc/p1": passwd()["etc/passwd"], "etc/p2": passwd(uid=7)["etc/passwd"]}, {"etc/passwd": link("p2")}, "USER worker\n", needs="ids"),
]
# fmt: on


@pytest.mark.parametrize("case", some([*LOADER, *PROGRAMS, *USERS_OF_A_STEP]), ids=lambda case: case.name)
def test_is_done_again(lab: Lab, case: Case) -> None:
    check_here(lab, case)
