"""/dev of a process: a tmpfs with the few devices that Docker gives, and no way to more.

Nothing else in the root file system, nor this tmpfs, opens as a device (nodev), so it does no harm that root
may make device files: where Docker asks the device cgroup, we need none. The nodes given are mounts each.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from lamina.mount import apply, syscalls
from lamina.mount.types import Mount

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NODES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}
_INSECURE = ("kmsg", "cuse", "fuse", "kvm", "net/tun", "loop-control")
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "core": "/proc/kcore",
    "ptmx": "pts/ptmx",
}
_FOLDERS = ("pts", "shm", "mqueue")
_PTS = "nosuid,noexec,ptmxmode=0666,mode=0620"
_HARMLESS = frozenset(os.makedev(*numbers) for numbers in _NODES.values())
_NULL = os.makedev(*_NODES["null"])


class Devices:
    """Makes one /dev. It is reached by descriptor only: what is mounted over it later changes nothing."""

    def __init__(self) -> None:
        self.folder = apply.detached(Mount("tmpfs", "", options="nosuid,strictatime,mode=755,size=65536k"))
        self.terminals = apply.detached(Mount("devpts", "", options=f"{_PTS}{_tty_group()}"))
        self._null = -1
        self._hosts: dict[str, int] = {}  # the host's nodes, where mknod is refused
        try:
            for name, (major, minor) in _NODES.items():
                os.mknod(name, stat.S_IFCHR | 0o666, os.makedev(major, minor), dir_fd=self.folder)
        except PermissionError:
            self._hosts = {name: syscalls.open_tree(f"/dev/{name}") for name in _NODES}
            for name in _NODES:
                os.close(self.make_file(name, 0o666))
        for name, target in _LINKS.items():
            if name != "core" or os.path.exists(target):  # not every kernel has its memory as a file
                os.symlink(target, name, dir_fd=self.folder)
        for name in _FOLDERS:
            os.mkdir(name, 0o755, dir_fd=self.folder)

    def attached(self, more: Mapping[str, int]) -> None:
        """To be called when `folder` has its place: only then can its nodes be mounted by themselves.

        `more` are further devices, as detached mounts; with any, programs may make what they like as well.
        """
        nodes = self._hosts or {name: syscalls.open_tree(name, dir_fd=self.folder) for name in _NODES}
        if not more:
            syscalls.mount_setattr(self.folder, syscalls.ATTR_NODEV)
        for name, fd in nodes.items():
            self.place(fd, name)
        for name, fd in more.items():
            folder = name.rpartition("/")[0]
            if folder:
                os.mkdir(folder, 0o755, dir_fd=self.folder)
            os.close(self.make_file(name, 0o600))
            self.place(fd, name)
        self._null = os.open("null", os.O_RDWR | os.O_CLOEXEC, dir_fd=self.folder)

    def make_file(self, name: str, mode: int) -> int:
        """Make a file in the tmpfs: its descriptor, for writing."""
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
        return os.open(name, flags, mode, dir_fd=self.folder)

    def place(self, fd: int, name: str) -> None:
        """Put the detached mount `fd` over a file or folder of the tmpfs."""
        at = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.folder)
        try:
            syscalls.move_mount(fd, at)
        finally:
            os.close(at)
            os.close(fd)

    def null_mount(self) -> int:
        """A detached mount of /dev/null, to hide a file with."""
        return syscalls.open_tree("", dir_fd=self._null)

    def own_null(self, descriptors: Iterable[int]) -> None:
        """Put ours in the place of the host's /dev/null, whose mode a process could change."""
        for fd in descriptors:
            info = os.fstat(fd)
            if stat.S_ISCHR(info.st_mode) and info.st_rdev == _NULL:
                os.dup2(self._null, fd)


def host_devices() -> dict[str, int]:
    """What BuildKit gives to a process without limits, as far as the host has it: detached mounts by name."""
    loops = [name for name in os.listdir("/dev") if name.startswith("loop") and name[4:].isdecimal()]
    found = {}
    for name in (*_INSECURE, *loops):
        try:
            found[name] = syscalls.open_tree(f"/dev/{name}")
        except OSError:
            pass  # not every machine has it
    return found


def disarm(fd: int) -> None:
    """Make what is below a detached mount no device, unless it is itself one of those that all may use."""
    info = os.fstat(fd)
    if not (stat.S_ISCHR(info.st_mode) and info.st_rdev in _HARMLESS):
        syscalls.mount_setattr(fd, syscalls.ATTR_NODEV, recursive=True)


def _tty_group() -> str:
    """Group 5 for terminals, as everywhere, unless that group does not exist in here."""
    with open("/proc/self/gid_map", "rb") as rows:
        ranges = [tuple(map(int, row.split())) for row in rows]
    return ",gid=5" if any(first <= 5 < first + count for first, _, count in ranges) else ""
