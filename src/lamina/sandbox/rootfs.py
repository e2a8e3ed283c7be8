"""The root file system of a process, from inside its own mount namespace.

What every process needs is made before there is a request, as mounts that are attached nowhere. What
needs the host's paths is added (collect); then the root is changed and the host detached (enter); only
then are the mounts put where they belong (attach), so no link of an image can lead one of them, or a
mount point that is made, out of the root.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput
from lamina.mount import apply, syscalls
from lamina.mount.types import Mount
from lamina.sandbox import network

if TYPE_CHECKING:
    from lamina.sandbox.spec import ProcessSpec

_DEVICES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "core": "/proc/kcore",
    "ptmx": "pts/ptmx",
}
_ETC = ".etc"  # where the files for /etc lie in the tmpfs of /dev, until they are bound and unlinked
# apt gives its downloads to a user of its own, and checks that it could. With one ID it must not try.
_APT_SETTING = "/etc/apt/apt.conf.d/zz-lamina-one-id"
_QUIET = "nosuid,nodev,noexec"
_PTS = "nosuid,noexec,ptmxmode=0666,mode=0620"
_NO_LINKS = ("/proc", "/dev", "/sys")  # as in runc: a link there is an attempt at something

# What Docker hides and protects; not all of it is there on every kernel.
_MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


class _Detached(NamedTuple):
    fd: int  # -1: one of the files for /etc
    target: str
    folder: bool  # or a file


class Root:
    """Makes one root file system; the methods are called once each, in the order of the file."""

    def __init__(self) -> None:
        self.stubs: list[bytes] = []
        self._devices: list[tuple[int, str]] = []  # the host's nodes, where mknod is refused
        self._dev = self._new_dev()
        self._sys = _kernel_view("sysfs", read_only=True)
        self._mounts = [
            _Detached(_kernel_view("proc", read_only=False), "/proc", True),
            _Detached(self._dev, "/dev", True),
            _Detached(_new("devpts", f"{_PTS}{_tty_group()}"), "/dev/pts", True),
            _Detached(_new("mqueue", _QUIET), "/dev/mqueue", True),
        ]

    def mount_root(self, spec: ProcessSpec) -> None:
        """Mount what the spec says, out of sight of the host."""
        syscalls.mount("", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE, "")
        for mount in spec.root:
            apply.apply(mount)

    def collect(self, spec: ProcessSpec, *, single_id: bool) -> None:
        """Prepare all other mounts while the host's paths can be seen."""
        shm = _new("tmpfs", f"{_QUIET},mode=1777,size={spec.tmpfs_shm}")
        self._mounts.append(_Detached(shm, "/dev/shm", True))
        if spec.network == "none":  # each network namespace has a sysfs of its own
            os.close(self._sys)
            self._sys = _kernel_view("sysfs", read_only=True)
        self._mounts.append(_Detached(self._sys, "/sys", True))
        for name, content in network.files(spec).items():
            self._give_file(f"/etc/{name}", content)
        if single_id:
            self._give_file(_APT_SETTING, b'APT::Sandbox::User "root";\n')
        for mount in sorted(spec.mounts, key=lambda mount: mount.target.rstrip("/").count("/")):
            folder = mount.kind != "bind" or os.path.isdir(mount.source)
            self._mounts.append(_Detached(apply.detached(mount), mount.target, folder))

    def _give_file(self, target: str, content: bytes) -> None:
        """Write a file into the tmpfs of /dev; it is bound once that is attached, as only then it can be."""
        flags = os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC
        file = os.open(f"{_ETC}/{os.path.basename(target)}", flags, 0o644, dir_fd=self._dev)
        os.write(file, content)
        os.close(file)
        self._mounts.append(_Detached(-1, target, False))

    def enter(self, spec: ProcessSpec) -> None:
        """Make the root the root, and let go of the host's file systems."""
        os.chdir(spec.root[0].target)
        # The old root comes to lie over the new one, at the same place: no folder for it is needed.
        syscalls.pivot_root(".", ".")
        syscalls.umount(".", syscalls.MNT_DETACH)
        os.chdir("/")

    def attach(self) -> None:
        """Put every mount where it belongs, and make the mount points that are missing."""
        for mount in self._mounts:
            if mount.fd >= 0:
                self._attach(mount)
            else:
                source = f"/dev/{_ETC}/{os.path.basename(mount.target)}"
                if mount.target != _APT_SETTING or os.path.isdir(os.path.dirname(_APT_SETTING)):
                    self._attach(mount._replace(fd=syscalls.open_tree(source)))
                os.unlink(source)
        os.rmdir(f"/dev/{_ETC}")
        for fd, name in self._devices:
            os.close(os.open(f"/dev/{name}", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666))
            _attach_at(fd, f"/dev/{name}")

    def finish(self, spec: ProcessSpec) -> None:
        """Hide and protect what Docker does, and the root itself when it is to be read-only."""
        empty = ""  # the first masked folder lends its empty file system to the others
        for path in _MASKED:
            kind = _kind(path)
            if kind == stat.S_IFDIR and not empty:
                _attach_at(_new("tmpfs", "ro,mode=0555"), path)
                empty = path
            elif kind:
                _attach_at(syscalls.open_tree(empty if kind == stat.S_IFDIR else "/dev/null"), path)
        for path in _READ_ONLY:
            if _kind(path):
                fd = syscalls.open_tree(path, recursive=True)
                syscalls.mount_setattr(fd, syscalls.ATTR_RDONLY, recursive=True)
                _attach_at(fd, path)
        if spec.read_only:
            syscalls.mount_setattr("/", syscalls.ATTR_RDONLY)

    def _new_dev(self) -> int:
        """A tmpfs with the nodes and links of /dev, and the files for /etc in a folder of it."""
        fd = _new("tmpfs", "nosuid,strictatime,mode=755,size=65536k")
        try:
            for name, (major, minor) in _DEVICES.items():
                os.mknod(name, stat.S_IFCHR | 0o666, os.makedev(major, minor), dir_fd=fd)
        except PermissionError:
            self._devices = [(syscalls.open_tree(f"/dev/{name}"), name) for name in _DEVICES]
        for name, target in _LINKS.items():
            os.symlink(target, name, dir_fd=fd)
        for name in ("pts", "shm", "mqueue", _ETC):
            os.mkdir(name, 0o755, dir_fd=fd)
        return fd

    def _attach(self, mount: _Detached) -> None:
        if mount.target in _NO_LINKS and os.path.islink(mount.target):
            raise InvalidInput(f"{mount.target} of the image is a symbolic link: it must be a folder")
        flags = os.O_PATH
        try:
            place = syscalls.openat2(mount.target, flags, syscalls.RESOLVE_NO_SYMLINKS)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ELOOP):
                raise
            path = self._make_mount_point(mount.target, mount.folder)
            place = syscalls.openat2(path, flags, syscalls.RESOLVE_NO_SYMLINKS)
        try:
            syscalls.move_mount(mount.fd, place)
        except OSError as error:
            raise OSError(error.errno, error.strerror, mount.target) from None
        finally:
            os.close(place)
            os.close(mount.fd)

    def _make_mount_point(self, target: str, folder: bool) -> str:
        """Where `target` leads when the links of the image are followed; made when it is missing."""
        path = os.path.realpath(target)
        parts = path.strip("/").split("/")
        for count in range(1, len(parts) + 1):
            here = "/" + "/".join(parts[:count])
            if os.path.lexists(here):
                continue
            if count < len(parts) or folder:
                os.mkdir(here, 0o755)
            else:
                os.close(os.open(here, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644))
            self.stubs.append(os.fsencode(here[1:]))
        return path


def _new(kind: str, options: str) -> int:
    return apply.detached(Mount(kind, "", options=options))


def _kernel_view(kind: str, *, read_only: bool) -> int:
    """A fresh proc or sysfs; the host's where a user namespace may not have its own.

    sysfs belongs to the network namespace, and both are refused while parts of the host's are hidden.
    """
    mount = Mount(kind, "", options=_QUIET, read_only=read_only)
    try:
        return apply.detached(mount)
    except PermissionError:
        place = "/sys" if kind == "sysfs" else "/proc"
        options = _QUIET
        return apply.detached(Mount("bind", "", place, options=options, read_only=read_only, recursive=True))


def _tty_group() -> str:
    """Group 5 for terminals, as everywhere, unless that group does not exist in here."""
    with open("/proc/self/gid_map", "rb") as rows:
        ranges = [tuple(map(int, row.split())) for row in rows]
    return ",gid=5" if any(first <= 5 < first + count for first, _, count in ranges) else ""


def _attach_at(fd: int, path: str) -> None:
    try:
        syscalls.move_mount(fd, path)
    finally:
        os.close(fd)


def _kind(path: str) -> int:
    try:
        return stat.S_IFMT(os.lstat(path).st_mode)
    except OSError:
        return 0
