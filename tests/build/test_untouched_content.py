"""Rule 4 against its adversary: what a file holds and what is said of it, read in every way there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .untouched.case import Case, check_here, some
from .untouched.nodes import built, device, fifo, file, folder, link, name_of

if TYPE_CHECKING:
    from .untouched.lab import Lab

pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("inside")]

ONE = {"data/f": file("one\n")}
TWO = {"data/f": file("two\n")}
ROOT_ONLY = {"data/f": file("secret\n", 0o600)}
FOR_ALL = {"data/f": file("secret\n", 0o644)}
BIG = {f"data/d/{number}": file() for number in range(1500)}


def way(words: str) -> str:
    """A step in which the probe goes one way."""
    return f"probe {words} > /out 2>&1"


# fmt: off
CONTENT = [
    Case("cat", "cat /data/f > /out", ONE, TWO),
    Case("static program", way("cat /data/f"), ONE, TWO),
    Case("mmap", way("mmap /data/f"), ONE, TWO),
    Case("sendfile", way("sendfile /data/f"), ONE, TWO),
    Case("descriptor from another process", way("scm /data/f"), ONE, TWO),
    Case("child of another thread", way("thread /data/f"), ONE, TWO),
    Case("calls of 32 bits", way("int80 /data/f"), ONE, TWO),
    Case("program of 32 bits", "cat32 > /out", {**ONE, "bin/cat32": built("cat32")}, TWO),
    Case("opened again by /proc/self/fd", way("again /data/f"), ONE, TWO),
    Case("by /proc/self/root", way("root /data/f"), ONE, TWO),
    Case("by /proc/self/cwd", "cd /data && cat /proc/self/cwd/f > /out", ONE, TWO),
    Case("relative to a kept folder", way("dirfd /data f"), ONE, TWO),
    Case("relative to cd", "cd /data; cat f > /out", ONE, TWO),
    Case("working folder", "cat f > /out", ONE, TWO, cwd="/data"),
    Case("a chain of processes", "sh -c 'sh -c \"sh -c \\\"cat /data/f\\\"\"' > /out", ONE, TWO),
    Case("a process that is left behind", "(cat /data/f > /out &) ; sleep 0.1", ONE, TWO),
    Case("here-document", "<<EOF\n#!/bin/sh\ncat /data/f > /out\nEOF", ONE, TWO),
    Case("sourced", ". /data/f; echo $A > /out", {"data/f": file("A=1\n")}, {"data/f": file("A=2\n")}),
    Case("size, the same beginning", way("size /data/f"), ONE, {"data/f": file("one\nmore\n")}),
    Case("wc", "wc -c < /data/f > /out", ONE, {"data/f": file("one\n\0")}),
    Case("empty or not", "test -s /data/f; echo $? > /out", {"data/f": file()}, ONE),
    Case("the last byte", "tail -c 1 /data/f > /out", {"data/f": file("x" * 70000)}, {"data/f": file("x" * 69999 + "y")}),
    Case("the last of 1500 files", "cat /data/d/* > /out", BIG, {"data/d/1499": file("x")}),
    Case("name that is no text", "cat /data/* > /out", {"data/\udcff\udcfe\n%": file("1")}, {"data/\udcff\udcfe\n%": file("2")}),
    Case("longest name", f"cat /data/{'n' * 255} > /out", {f"data/{'n' * 255}": file("1")}, {f"data/{'n' * 255}": file("2")}),
    Case("deep", f"cat /{'d/' * 200}f > /out", {f"{'d/' * 200}f": file("1")}, {f"{'d/' * 200}f": file("2")}),
    Case("tar", "tar -c -C /data f | tar -x -O > /out", ONE, TWO),
    Case("a name like those of Lamina", "cat /data/.wh.f > /out; cat /data/f.wh. > /out2", {"data/f.wh.": file("1")}, {"data/f.wh.": file("2")}),
]

ABOUT = [
    Case("mode", "stat -c %a /data/f > /out", FOR_ALL, ROOT_ONLY),
    Case("mode that lets another read", "cat /data/f > /tmp/out", ROOT_ONLY, FOR_ALL, "USER 1000\n", needs="ids"),
    Case("mode of a folder on the way", "cat /data/d/f > /tmp/out", {"data/d/f": file("1"), "data/d": folder(0o700)}, {"data/d": folder()}, "USER 1000\n", needs="ids"),
    Case("test -x", "test -x /data/f; echo $? > /out", ONE, {"data/f": file("one\n", 0o755)}),
    Case("access", way("access /data/f 1"), ONE, {"data/f": file("one\n", 0o755)}),
    Case("faccessat", "probe faccessat /data/f 4 > /tmp/out", ROOT_ONLY, FOR_ALL, "USER 1000\n", needs="ids"),
    Case("setuid", "stat -c %a /data/f > /out", ONE, {"data/f": file("one\n", 0o4644)}),
    Case("owner", "stat -c %u /data/f > /out", ONE, {"data/f": file("one\n", uid=7)}, needs="ids"),
    Case("group", "stat -c %g /data/f > /out", ONE, {"data/f": file("one\n", gid=7)}, needs="ids"),
    Case("owner that may read", "cat /data/f > /tmp/out", ROOT_ONLY, {"data/f": file("secret\n", 0o600, uid=1000)}, "USER 1000\n", needs="ids"),
    Case("group that may read", "cat /data/f > /tmp/out", {"data/f": file("1", 0o640)}, {"data/f": file("1", 0o640, gid=77)}, "USER 1000:77\n", needs="ids"),
    Case("owner of a folder", "stat -c %u /data > /out", {"data": folder()}, {"data": folder(uid=5)}, needs="ids"),
    Case("owner of a link", "stat -c %u /data/l > /out", {"data/l": link("x")}, {"data/l": link("x", uid=5)}, needs="ids"),
    Case("folder that others may write", "echo 1 > /data/d/new", {"data/d": folder(0o755)}, {"data/d": folder(0o777)}, "USER 1000\n"),
    Case("sticky folder", "rm /data/f; ls /data > /tmp/out", {"data": folder(0o777), "data/f": file()}, {"data": folder(0o1777)}, "USER 1000\n"),
    Case("setgid folder", "touch /data/d/new", {"data/d": folder(0o755, gid=77)}, {"data/d": folder(0o2755, gid=77)}),
    Case("mode of the root", "stat -c %a / > /out", {}, {"": folder(0o711)}),
    Case("owner of the root", "stat -c %u / > /out", {}, {"": folder(uid=3)}),
    Case("the root, listed by others", "ls / > /tmp/out; true", ONE, {"": folder(0o711)}, "USER 1000\n"),
    Case("attribute", way("attribute /data/f user.a"), {"data/f": file("1", a=b"one")}, {"data/f": file("1", a=b"two")}),
    Case("attribute that was missing", way("attribute /data/f user.a"), ONE, {"data/f": file("one\n", a=b"")}),
    Case("names of attributes", way("attributes /data/f"), {"data/f": file("1", a=b"1")}, {"data/f": file("1", a=b"1", b=b"2")}),
    Case("attribute of a folder", way("attribute /data/d user.a"), {"data/d": folder(a=b"1")}, {"data/d": folder(a=b"2")}),
    Case("attribute that is copied", "cp -a /data/f /out; echo x >> /data/f", {"data/f": file("1", a=b"one")}, {"data/f": file("1", a=b"two")}),
    Case("attribute of a folder that is written in", "touch /data/d/new", {"data/d": folder(a=b"1")}, {"data/d": folder(a=b"2")}),
    Case("statx with no mask", way("statx-none /data/f"), ONE, {"data/f": file("longer\n")}),
    Case("statx that does not ask the server", way("statx-lazy /data/f"), ONE, {"data/f": file("longer\n")}),
    Case("O_PATH and fstat", way("path-stat /data/f"), ONE, {"data/f": file("one\n", 0o600)}),
    Case("kind: fifo", "test -p /data/f; echo $? > /out", {"data/f": file()}, {"data/f": fifo()}),
    Case("mode of a fifo", "stat -c %a /data/f > /out", {"data/f": fifo()}, {"data/f": fifo(0o600)}),
    Case("device", "stat -c %t:%T /data/f > /out", {"data/f": device(1, 3)}, {"data/f": device(1, 5)}, needs="root"),
    Case("connect to a path", way("connect /data/s"), {"data": folder()}, {"data/s": file()}),
    Case("watch", way("inotify /data/f"), {"data": folder()}, ONE),
    Case("handle", way("handle /data/f"), {"data": folder()}, ONE),
]

LINKS = [
    Case("two names of one file", way("same /data/a /data/b"), {"data/a": file("1"), "data/b": name_of("data/a")}, {"data/b": file("1")}, layered=False),
    Case("number of names", "stat -c %h /data/a > /out", {"data/a": file("1"), "data/b": name_of("data/a")}, {"data/c": name_of("data/a")}, layered=False),
    Case("content by its other name", "cat /data/b > /out", {"data/a": file("1"), "data/b": name_of("data/a")}, {"data/a": file("2")}, layered=False),
    Case("written by one name, read by the other", "echo 2 >> /data/a; cat /data/b > /out", {"data/a": file("1"), "data/b": file("1")}, {"data/b": file("3")}, layered=False),
    Case("links kept by tar", "tar -c -C /data a b | wc -c > /out", {"data/a": file("1"), "data/b": name_of("data/a")}, {"data/b": file("1")}, layered=False),
]
# fmt: on


@pytest.mark.parametrize("case", some([*CONTENT, *ABOUT, *LINKS]), ids=lambda case: case.name)
def test_is_done_again(lab: Lab, case: Case) -> None:
    check_here(lab, case)
