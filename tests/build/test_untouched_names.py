"""Rule 4 against its adversary: names that are found, missing or listed, and the links on the way to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .untouched.case import Case, check_here, some
from .untouched.nodes import file, folder, link, script

if TYPE_CHECKING:
    from .untouched.lab import Lab

pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("inside")]

EMPTY = {"data": folder()}
SHOW = "cat /data/f > /out 2>&1"
TWO_PLACES = {"data/v1/f": file("one"), "data/v2/f": file("two")}
LINKED = {**TWO_PLACES, "data/l": link("v1")}
MANY = {f"data/d/{number:05}": file() for number in range(2000)}


def way(words: str) -> str:
    """A step in which the probe goes one way."""
    return f"probe {words} > /out 2>&1"


# fmt: off
NAMES = [
    Case("a file that was missing", SHOW, EMPTY, {"data/f": file("1")}),
    Case("a file that is gone", SHOW, {"data/f": file("1")}, {"data/f": None}),
    Case("a folder on the way that was missing", "cat /data/d/f > /out 2>&1", {"data": folder()}, {"data/d/f": file("1")}),
    Case("a folder on the way that is gone", "cat /data/d/e/f > /out 2>&1", {"data/d/e/f": file("1")}, {"data/d": None}),
    Case("a file in the way", "cat /data/d/f > /out 2>&1", {"data/d/f": file("1")}, {"data/d": file("2")}),
    Case("a path through a file", "cat /data/d/f > /out 2>&1", {"data/d": file("2")}, {"data/d": folder()}),
    Case("first on a search path", "tool > /out", {"data/b/tool": script("echo b"), "data/a": folder()}, {"data/a/tool": script("echo a")}, "ENV PATH=/data/a:/data/b:/bin\n"),
    Case("first on a search path, the folder too", "tool > /out", {"data/b/tool": script("echo b")}, {"data/a/tool": script("echo a")}, "ENV PATH=/data/a:/data/b:/bin\n"),
    Case("gone from a search path", "tool > /out", {"data/a/tool": script("echo a"), "data/b/tool": script("echo b")}, {"data/a/tool": None}, "ENV PATH=/data/a:/data/b:/bin\n"),
    Case("made a program on a search path", "tool > /out", {"data/a/tool": script("echo a", 0o644), "data/b/tool": script("echo b")}, {"data/a/tool": script("echo a")}, "ENV PATH=/data/a:/data/b:/bin\n"),
    Case("the exec form's search path", '["tool", "/out"]', {"data/b/tool": script("echo b > $1"), "data/a": folder()}, {"data/a/tool": script("echo a > $1")}, "ENV PATH=/data/a:/data/b:/bin\n"),
    Case("which", "which tool > /out", {"data/a/tool": script(""), "data/b/tool": script("")}, {"data/a/tool": None}, "ENV PATH=/data/a:/data/b:/bin\n"),
    Case("configuration, found by looking in vain", "for d in /data/home /data/etc /data/usr; do test -e $d/rc && . $d/rc && break; done; echo $A > /out", {"data/usr/rc": file("A=1"), "data/etc": folder(), "data/home": folder()}, {"data/etc/rc": file("A=2")}),
    Case("access to what was missing", way("access /data/f 0"), EMPTY, {"data/f": file()}),
    Case("test -e of a link to nothing", "test -e /data/l; echo $? > /out", {"data/l": link("f")}, {"data/f": file()}),
    Case("test -d", "test -d /data/d; echo $? > /out", {"data/d": folder()}, {"data/d": file()}),
    Case("test -d of a link", "test -d /data/l; echo $? > /out", {"data/d": folder(), "data/l": link("d")}, {"data/d": file()}),
    Case("test -L", "test -L /data/f; echo $? > /out", {"data/f": file(), "data/g": file()}, {"data/f": link("g")}),
    Case("a root folder that was missing", "test -e /opt; echo $? > /out", {}, {"opt": folder()}),
    Case("in a root folder that was missing", "cat /opt/x/f > /out 2>&1", {}, {"opt/x/f": file("1")}),
    Case("in a mount that hides it, beside it", "cat /etc/hosts.allow > /out 2>&1", {}, {"etc/hosts.allow": file("1")}),
]

LISTINGS = [
    Case("ls", "ls /data/d > /out", {"data/d/a": file()}, {"data/d/b": file()}),
    Case("ls of the root", "ls / > /out", {}, {"opt": folder()}),
    Case("ls, a name less", "ls /data/d > /out", {"data/d/a": file(), "data/d/b": file()}, {"data/d/a": None}),
    Case("ls of an empty folder", "ls /data/d > /out", {"data/d": folder()}, {"data/d/a": file()}),
    Case("the folder itself among its names", "ls -a /data/d > /out", {"data/d/a": file()}, {"data/d/b": file()}),
    Case("hidden name", "ls -A /data/d > /out", {"data/d/a": file()}, {"data/d/.b": file()}),
    Case("name only in its case another", "ls /data/d > /out", {"data/d/a": file()}, {"data/d/a": None, "data/d/A": file()}),
    Case("kinds of a listing", "ls -F /data/d > /out", {"data/d/a": file()}, {"data/d/a": folder()}),
    Case("glob", "echo /data/*.c > /out", {"data/a.c": file()}, {"data/b.c": file()}),
    Case("glob that found nothing", "echo /data/*.c > /out", {"data/a.h": file()}, {"data/b.c": file()}),
    Case("glob over folders", "echo /data/*/x > /out", {"data/a/x": file(), "data/b/y": file()}, {"data/b/x": file()}),
    Case("find", "find /data | sort > /out", {"data/a/b/c": file()}, {"data/a/b/d": file()}),
    Case("find -type", "find /data -type f > /out", {"data/a/b": file()}, {"data/a/b": link("x")}),
    Case("find -empty", "find /data -type d -empty > /out; find /data -size +1 >> /out", {"data/a": folder()}, {"data/a/b": file()}, plain=False),
    Case("number of names", way("count /data/d"), MANY, {"data/d/99999": file()}),
    Case("a listing not from its beginning", way("count-after /data/d"), {f"data/d/{n}": file() for n in range(9)}, {"data/d/99": file()}, plain=False),
    Case("the last name of 2000", "ls /data/d | tail -n 1 > /out", MANY, {"data/d/99999": file()}),
    Case("name that is no text", "ls /data > /out", {"data/\udcff": file()}, {"data/\udcfe\n": file()}),
    Case("recursive grep", "grep -rl x /data > /out", {"data/a/f": file("y")}, {"data/b/f": file("x")}),
    Case("du", "du -s /data | cut -f 2 > /out; ls -R /data >> /out", {"data/a/f": file("y")}, {"data/a/g": file()}),
    Case("below the folder of a mount", "ls /etc > /out", {}, {"etc/other": file()}),
]

LINKS = [
    Case("target", "readlink /data/l > /out", {"data/l": link("a")}, {"data/l": link("b")}),
    Case("link to a file", "cat /data/l > /out", {"data/a": file("1"), "data/b": file("2"), "data/l": link("a")}, {"data/l": link("b")}),
    Case("absolute link", "cat /data/l > /out", {"data/a": file("1"), "data/b": file("2"), "data/l": link("/data/a")}, {"data/l": link("/data/b")}),
    Case("file that a link names", "cat /data/l > /out", {"data/a": file("1"), "data/l": link("a")}, {"data/a": file("2")}),
    Case("file that a link names, which was missing", "cat /data/l > /out 2>&1", {"data/l": link("a")}, {"data/a": file("2")}),
    Case("link in the middle", "cat /data/l/f > /out", LINKED, {"data/l": link("v2")}),
    Case("link in the middle of a link", "cat /data/k > /out", {**LINKED, "data/k": link("l/f")}, {"data/l": link("v2")}),
    Case("chain of links", "cat /data/1 > /out", {f"data/{n}": link(f"{n + 1}") for n in range(1, 9)} | {"data/9": file("9"), "data/x": file("x")}, {"data/8": link("x")}),
    Case("loop", "cat /data/l > /out 2>&1", {"data/l": link("k"), "data/k": link("f"), "data/f": file("1")}, {"data/k": link("l")}),
    Case(".. through a link", "cat /data/l/../f > /out", {"data/1/d": folder(), "data/1/f": file("1"), "data/2/d": folder(), "data/2/f": file("2"), "data/l": link("1/d")}, {"data/l": link("2/d")}),
    Case("folder becomes a link", "cat /data/d/f > /out; readlink -f /data/d >> /out", {"data/d/f": file("1"), "data/e/f": file("1")}, {"data/d": link("e")}),
    Case("link becomes a folder", "cd -P /data/l; pwd > /out", {"data/d": folder(), "data/l": link("d")}, {"data/l": folder()}),
    Case("cd through a link", "cd -P /data/l && pwd > /out", LINKED, {"data/l": link("v2")}),
    Case("working folder through a link", "cat f > /out", LINKED, {"data/l": link("v2")}, cwd="/data/l"),
    Case("working folder that was missing", "pwd > /out; ls -A > /out2", EMPTY, {"data/w/f": file()}, cwd="/data/w"),
    Case("openat of a link", way("dirfd /data/l f"), LINKED, {"data/l": link("v2")}),
    Case("/proc/self/fd of a link", way("fd-link /data/l/f"), LINKED, {"data/l": link("v2")}),
    Case("openat2 without links", way("no-links /data/l/f"), LINKED, {"data/l": folder(), "data/l/f": file("one")}),
    Case("openat2 in a root", way("in-root /data/d /l"), {"data/d/a": file("1"), "data/d/b": file("2"), "data/d/l": link("/a")}, {"data/d/l": link("/b")}),
    Case("realpath", "realpath /data/l/f > /out", LINKED, {"data/l": link("v2")}),
    Case("written through a link", "echo x >> /data/l/f", LINKED, {"data/l": link("v2")}),
    Case("made through a link to nothing", "echo x > /data/l", {"data/l": link("a")}, {"data/l": link("b")}),
    Case("root folder becomes a link", "cat /opt/f > /out; realpath /opt/f >> /out", {"opt/f": file("1"), "data/f": file("1")}, {"opt": link("data")}),
    Case("/etc/hosts becomes a link", "test -L /etc/hosts; echo $? > /out", {"etc/hosts": file("1")}, {"etc/hosts": link("../data/hosts"), "data/hosts": file("1")}),
    Case("/etc/resolv.conf is a link where none was", "readlink /etc/resolv.conf > /out", {"etc": folder()}, {"etc/resolv.conf": link("../data/resolv"), "data/resolv": file("1")}),
    Case("/etc/hosts by its target", "echo 127 > /data/hosts; ls -l /data/hosts | cut -c 1-10 > /out", {"etc/hosts": file("1"), "data": folder()}, {"etc/hosts": link("../data/hosts")}),
]
# fmt: on


@pytest.mark.parametrize("case", some([*NAMES, *LISTINGS, *LINKS]), ids=lambda case: case.name)
def test_is_done_again(lab: Lab, case: Case) -> None:
    check_here(lab, case)
