"""Rule 4 against its adversary: what a step writes, which depends on what was there before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .untouched.case import Case, check_here, some
from .untouched.nodes import file, folder, link

if TYPE_CHECKING:
    from .untouched.lab import Lab

pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("inside")]

ONE = {"data/f": file("one\n")}
TWO = {"data/f": file("two\n")}
EMPTY = {"data": folder()}
TREE = {"data/d/a": file("1"), "data/d/e/b": file("2")}


def way(words: str) -> str:
    """A step in which the probe goes one way."""
    return f"probe {words} > /out 2>&1"


# fmt: off
COPIED_UP = [
    Case("append", "echo more >> /data/f", ONE, TWO),
    Case("append to what was missing", "echo more >> /data/f", EMPTY, ONE),
    Case("truncate", "truncate -s 2 /data/f", ONE, TWO),
    Case("truncate(2)", way("truncate /data/f 2"), ONE, TWO),
    Case("write in the middle", "printf X | dd of=/data/f bs=1 seek=1 conv=notrunc", ONE, TWO),
    Case("overwritten: its mode stays", "echo x > /data/f", ONE, {"data/f": file("one\n", 0o600)}),
    Case("overwritten: its owner stays", "echo x > /data/f", ONE, {"data/f": file("one\n", uid=7)}),
    Case("overwritten: its attributes stay", "echo x > /data/f", ONE, {"data/f": file("one\n", a=b"1")}),
    Case("overwritten with just what it was", "cat /data/g > /data/f; touch -r /data/g /data/f", {**ONE, "data/g": file("one\n")}, TWO),
    Case("chmod", "chmod 600 /data/f", ONE, TWO),
    Case("chmod -R", "chmod -R go-rwx /data/d", TREE, {"data/d/e/b": file("3")}),
    Case("chmod -R, a name more", "chmod -R go-rwx /data/d", TREE, {"data/d/e/c": file("3")}),
    Case("chown -R", "chown -R 5:6 /data/d", TREE, {"data/d/a": file("3")}, needs="ids"),
    Case("chgrp of a folder", "chgrp 6 /data/d", {"data/d": folder()}, {"data/d": folder(0o700)}, needs="ids"),
    Case("touch", "touch /data/f", ONE, TWO),
    Case("utimensat", way("touch /data/f"), ONE, TWO),
    Case("set an attribute", way("set-attribute /data/f user.x"), ONE, TWO),
    Case("sed -i", "sed -i s/e/E/ /data/f", ONE, {"data/f": file("see\n")}),
    Case("another name for it", "ln /data/f /data/g", ONE, TWO),
]

MOVED = [
    Case("mv", "mv /data/f /data/g", ONE, TWO),
    Case("mv over another", "mv /data/f /data/g; cat /data/g > /out", {**ONE, "data/g": file()}, TWO),
    Case("mv -n", "mv -n /data/f /data/g; cat /data/g > /out", ONE, {"data/g": file("3")}),
    Case("mv of a folder", "mv /data/d /data/n", TREE, {"data/d/e/b": file("3")}),
    Case("mv of a folder, a name more", "mv /data/d /data/n", TREE, {"data/d/c": file("3")}),
    Case("mv into a folder", "mv /data/f /data/d; ls -R /data/d > /out", ONE, {"data/d": folder()}),
    Case("rename of a folder", way("rename /data/d /data/n"), TREE, {"data/d": None}),
    Case("rename over an empty folder", "mkdir /data/n; touch /data/n/x; probe rename /data/n /data/d > /out", {"data/d": folder()}, {"data/d/y": file()}),
    Case("rename over a folder that was missing", "mkdir /data/n; probe rename /data/n /data/d/n > /out", {"data/d": folder()}, {"data/d/n": folder(), "data/d/n/x": file()}),
    Case("rename over a file", "echo x > /n; probe rename /n /data/f > /out", ONE, {"data/f": folder()}),
    Case("rename that replaces nothing", "echo x > /n; probe no-replace /n /data/f > /out", EMPTY, ONE),
    Case("exchange", "echo x > /data/n; probe exchange /data/n /data/f > /out; cat /data/n >> /out", ONE, TWO),
    Case("cp over", "cp /data/f /data/g", {**ONE, "data/g": file("", 0o600)}, {"data/g": file("", 0o640)}),
    Case("cp into", "cp /data/f /data/g", ONE, {"data/g": folder()}),
    Case("cp -a", "cp -a /data/d /data/n", TREE, {"data/d/a": file("1", 0o600)}),
    Case("cp -a of links", "cp -a /data/d /data/n", {"data/d/l": link("x")}, {"data/d/l": link("y")}),
    Case("cp -a of owners", "cp -a /data/d /data/n", TREE, {"data/d/a": file("1", uid=9)}, needs="ids"),
    Case("tar out and in", "mkdir /n; tar -c -C /data d | tar -x -C /n", TREE, {"data/d/e/b": file("2", 0o755)}),
]

MADE = [
    Case("create, exclusively", way("exclusive /data/f"), EMPTY, ONE),
    Case("noclobber", "set -C; echo x > /data/f", EMPTY, ONE),
    Case("mkdir", way("mkdir /data/d"), EMPTY, {"data/d": folder()}),
    Case("mkdir -p", "mkdir -p /data/a/b/c; ls -ld /data/a | cut -c 1-10 > /out", EMPTY, {"data/a": folder(0o700)}),
    Case("mkdir -p through a file", "mkdir -p /data/a/b/c > /out 2>&1", EMPTY, {"data/a": file()}),
    Case("mkfifo", way("mknod /data/p"), EMPTY, {"data/p": file()}),
    Case("symlink", way("symlink x /data/l"), EMPTY, {"data/l": link("y")}),
    Case("ln -s into a folder", "ln -s x /data/l", EMPTY, {"data/l": folder()}),
    Case("link", way("link /data/f /data/g"), ONE, {"data/g": file()}),
    Case("link of a nameless file", way("tmpfile /data /data/f"), EMPTY, ONE),
    Case("bind of a socket", "probe bind /data/s > /out; rm /data/s", EMPTY, {"data/s": file()}),
    Case("in a folder that was missing", "echo x > /data/d/f; ls /data > /out", EMPTY, {"data/d": folder()}),
    Case("mode of the folder that is written in", "touch /data/d/new", {"data/d": folder()}, {"data/d": folder(0o711)}),
    Case("owner of the folder that is written in", "touch /data/d/new", {"data/d": folder()}, {"data/d": folder(gid=5)}),
    Case("mode of the root that is written in", "touch /new", {}, {"": folder(0o711)}),
]

REMOVED = [
    Case("rmdir", way("rmdir /data/d"), {"data/d": folder()}, {"data/d/x": file()}),
    Case("rmdir of what is below a link", way("rmdir /data/l/d"), {"data/v/d": folder(), "data/l": link("v")}, {"data/v/d/x": file()}),
    Case("rmdir after the step emptied it", "rm /data/d/a; probe rmdir /data/d > /out", {"data/d/a": file()}, {"data/d/x": file()}),
    Case("rmdir after another name is gone", "rm /data/d/a; probe rmdir /data/d > /out", {"data/d/a": file(), "data/d/b": file()}, {"data/d/b": None}),
    Case("unlink", way("unlink /data/f"), ONE, {"data/f": None}),
    Case("unlink of a folder", way("unlink /data/f"), ONE, {"data/f": folder()}),
    Case("rm -f, then made again", "rm -f /data/f; echo x > /data/f", ONE, {"data/f": folder()}),
    Case("rm of a glob", "rm /data/d/*", {"data/d/a": file()}, {"data/d/b": file()}),
    Case("rm -r, told", "rm -rv /data/d > /out; find /data >> /out", TREE, {"data/d/e/b": None}, plain=False),
    Case("rm -r, then made again", "rm -r /data/d; mkdir /data/d", TREE, {"data/d": None}),
    Case("find -delete", "find /data -name '*.o' | xargs rm", {"data/a.o": file()}, {"data/d/b.o": file()}),
]
# fmt: on


@pytest.mark.parametrize("case", some([*COPIED_UP, *MOVED, *MADE, *REMOVED]), ids=lambda case: case.name)
def test_is_done_again(lab: Lab, case: Case) -> None:
    check_here(lab, case)
