"""Checks that every kind of file, and all that is known about it, survives being copied up and committed."""

from __future__ import annotations

import os
import socket as sockets
import stat
from typing import TYPE_CHECKING

from lamina.testing import trees
from lamina.testing.snapshotters.bench import names, put, read, seen
from lamina.testing.trees import CAPABILITY, block, char, fifo, file, folder, socket, symlink

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.testing.snapshotters.bench import Bench
    from lamina.testing.trees import Item

_ODD_NAMES = (
    b"two words",
    b" ",
    b"new\nline",
    b"tab\t",
    b"latin-\xe9",
    b"\xff\xfe",
    "ünïcødé-☃".encode(),
    b"-rf",
    b"back\\slash",
    b"colon:comma,",
    b"n" * 255,
    b"\xff" * 255,
    b"...",
    b".wh",
)


def _same(bench: Bench, *items: Item) -> str:
    """Checks that a layer shows as it was made, and still does when all of it was copied up and back."""
    base = bench.layer(*items)
    wanted = seen(base)
    with bench.view(base) as root:
        assert seen(root) == wanted

    def touch_all(root: str) -> None:
        for entry in wanted.values():
            path = os.fsencode(root) + b"/" + entry.path
            info = os.lstat(path)
            os.chown(path, info.st_uid, info.st_gid, follow_symlinks=False)  # no change, but a copy-up
            if not stat.S_ISLNK(info.st_mode):
                os.chmod(path, info.st_mode & 0o7777)  # chown takes setuid away
            for name, value in entry.xattrs:
                os.setxattr(path, name, value, follow_symlinks=False)
            os.utime(path, ns=(info.st_mtime_ns, info.st_mtime_ns), follow_symlinks=False)
        assert seen(root) == wanted

    return bench.commit([base], touch_all)


def check_modes_with_setuid_setgid_sticky(bench: Bench) -> None:
    files = [file(f"m{mode:04o}", b"x", mode) for mode in (0, 0o400, 0o644, 0o777, 0o4755, 0o2755, 0o6711)]
    _same(bench, *files, folder("tmp", 0o1777), folder("shut", 0), folder("staff", 0o2775))


def check_owners(bench: Bench) -> None:
    bench.need_owners()
    link = symlink("link", "file", uid=1000, gid=1001)
    setuid = file("setuid", b"x", 0o4755, uid=1, gid=0)
    _same(bench, file("file", b"x", uid=33, gid=0), folder("home", uid=1000, gid=1000), link, setuid)


def check_owners_that_do_not_exist_here(bench: Bench) -> None:
    """With few IDs the disk holds what it can; the rows of the layer keep the truth."""
    base = bench.layer(file("a", b"x", 0o4755, uid=2_000_000_000, gid=7), folder("d", uid=70_000))
    with bench.view(base) as root:
        owner = os.stat(root + "/a").st_uid
        assert owner == (2_000_000_000 if bench.ids == "root" else 0)
        assert os.stat(root + "/a").st_mode & 0o7777 == 0o4755


def check_times_to_the_nanosecond(bench: Bench) -> None:
    times = (0, 1, 1_234_567_890_123_456_789, 4_000_000_000_000_000_001, -1_500_000_000)
    files = [file(f"t{number}", b"x", mtime=time) for number, time in enumerate(times)]
    link = symlink("link", "nowhere", mtime=999_999_999)
    _same(bench, *files, folder("d", mtime=123_000_000_007), file("d/inner"), link)


def check_extended_attributes(bench: Bench) -> None:
    many = {f"user.n{number}": bytes([number]) * number for number in range(20)}
    binary = {"user.empty": b"", "user.binary": b"\0\xff\n", "user.\u00fc": b"1"}
    _same(bench, file("a", b"x", xattrs=many), file("b", xattrs=binary), folder("d", xattrs={"user.d": b"1"}))


def check_file_capabilities(bench: Bench) -> None:
    ping = file("ping", b"x", 0o755, xattrs={"security.capability": CAPABILITY})
    diff = _same(bench, ping)
    assert trees.tree(diff)["ping"].xattrs == ((b"security.capability", CAPABILITY),)


def check_device_nodes(bench: Bench) -> None:
    bench.need_root("device nodes")
    _same(bench, char("dev/null", 1, 3), block("dev/sda", 8, 0), char("dev/big", 200, 70_000))


def check_pipes(bench: Bench) -> None:
    _same(bench, fifo("run/pipe", 0o600))


def check_sockets_show_and_do_not_break_a_commit(bench: Bench) -> None:
    base = bench.layer(socket("run/old"))
    with bench.view(base) as root:
        assert stat.S_ISSOCK(os.lstat(root + "/run/old").st_mode)

    def change(root: str) -> None:
        with sockets.socket(sockets.AF_UNIX) as listener:
            listener.bind(root + "/run/new")
        put(root + "/run/pid")

    diff = bench.commit([base], change)
    assert trees.kinds(diff)["run/pid"] == "f"


def check_odd_names(bench: Bench) -> None:
    items = [file(b"d/" + name, name) for name in _ODD_NAMES]
    folders = [file(b"e/" + name + b"/inner", name) for name in _ODD_NAMES]
    _same(bench, *items, *folders, *[symlink(b"l/" + name, name) for name in _ODD_NAMES])


def check_odd_names_can_be_deleted(bench: Bench) -> None:
    base = bench.layer(*[file(b"d/" + name, name) for name in _ODD_NAMES])

    def change(root: str) -> None:
        for name in _ODD_NAMES:
            os.unlink(os.fsencode(root) + b"/d/" + name)

    diff = bench.commit([base], change)
    with bench.view(diff, base) as root:
        assert names(root + "/d") == []


def check_long_link_targets(bench: Bench) -> None:
    _same(bench, symlink("long", b"t" * 4000), symlink("odd", b"\xff\n "))


def check_sparse_files_stay_sparse(bench: Bench) -> None:
    size = 64 * 1024 * 1024
    with bench.view():
        pass

    def change(root: str) -> None:
        with open(root + "/sparse", "wb") as out:
            out.truncate(size)
            out.seek(size // 2)
            out.write(b"middle")

    diff = bench.commit([], change)
    key = bench.write([diff], lambda root: os.chmod(root + "/sparse", 0o600))
    again = bench.new_diff()
    bench.snapshotter.commit(key, again, hidden=lambda path: (), keep=True)
    for path in (diff + "/sparse", again + "/sparse"):
        info = os.stat(path)
        assert info.st_size == size
        assert info.st_blocks * 512 < size // 8, "the holes are gone"
        with open(path, "rb") as source:
            source.seek(size // 2 - 1)
            assert source.read(8) == b"\0middle\0"
    bench.snapshotter.remove(key)


def check_a_change_of_anything_is_a_change(bench: Bench) -> None:
    """Mode, owner, time or an attribute alone, without a byte of content."""
    base = bench.layer(*[file(name, b"same") for name in "abcdef"], folder("dir"), symlink("link", "a"))
    touches: dict[str, Callable[[str], object]] = {
        "a": lambda path: os.chmod(path, 0o600),
        "b": lambda path: os.utime(path, ns=(1, 1)),
        "c": lambda path: os.setxattr(path, "user.new", b"1"),
        "dir": lambda path: os.chmod(path, 0o700),
        "link": lambda path: os.utime(path, ns=(1, 1), follow_symlinks=False),
    }
    if bench.ids != "one":
        touches["d"] = lambda path: os.chown(path, 5, 6)
    for name, touch in touches.items():

        def change(root: str, name: str = name, touch: Callable[[str], object] = touch) -> None:
            touch(f"{root}/{name}")

        diff = bench.commit([base], change)
        assert list(trees.kinds(diff)) == [name]


def check_a_write_that_puts_the_time_back_is_a_change(bench: Bench) -> None:
    base = bench.layer(file("a", b"old!"))

    def change(root: str) -> None:
        info = os.stat(root + "/a")
        put(root + "/a", b"new!")
        os.utime(root + "/a", ns=(info.st_atime_ns, info.st_mtime_ns))

    diff = bench.commit([base], change)
    assert read(diff + "/a") == b"new!"
