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
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput
from lamina.mount import apply, syscalls
from lamina.mount.types import Mount
from lamina.sandbox import network
from lamina.sandbox.devices import Devices, disarm, host_devices

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.sandbox.spec import HeldFile, ProcessSpec

# apt gives its downloads to a user of its own, and checks that it could. With one ID it must not try.
_APT_SETTING = "/etc/apt/apt.conf.d/zz-lamina-one-id"
_QUIET = "nosuid,nodev,noexec"
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
# What may be mounted in /proc, as in runc: nothing is decided by these, and lxcfs gives better ones.
_PROC_FIGURES = frozenset(
    f"/proc/{name}"
    for name in ("cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo")
)


class _Detached(NamedTuple):
    fd: int
    target: str
    folder: bool  # or a file
    tmpfs: Mount | None = None  # a new one, to be given the mode of the folder that it hides


class Root:
    """Makes one root file system; the methods are called once each, in the order of the file."""

    def __init__(self) -> None:
        self.stubs: list[bytes] = []
        self.devices = Devices()
        self._proc = 0  # the device number of /proc, once that is there
        self._sys = _kernel_view("sysfs", read_only=True)
        self._files = _new("tmpfs", "nosuid,nodev,mode=755,size=16m")  # see _bind_files
        self._names: dict[str, tuple[str, int]] = {}  # of these files: where each is to be seen, and how
        self._kernel = [
            _Detached(_kernel_view("proc", read_only=False), "/proc", True),
            _Detached(self.devices.folder, "/dev", True),
        ]
        self._below_dev = [
            _Detached(os.dup(self.devices.terminals), "/dev/pts", True),
            _Detached(_new("mqueue", _QUIET), "/dev/mqueue", True),
        ]
        self._wanted: list[_Detached] = []  # by the spec
        self._host_devices: dict[str, int] = {}

    def mount_root(self, spec: ProcessSpec, mounted: int) -> None:
        """Mount what the spec says, out of sight of the host; `mounted` is the first, if not negative."""
        syscalls.mount("", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE, "")
        left = spec.root
        if mounted >= 0:
            syscalls.move_mount(mounted, left[0].target)
            os.close(mounted)
            left = left[1:]
        for mount in (*left, *spec.aside):
            apply.apply(mount)

    def collect(self, spec: ProcessSpec, *, single_id: bool) -> None:
        """Prepare all other mounts while the host's paths can be seen."""
        shm = _new("tmpfs", f"{_QUIET},mode=1777,size={spec.tmpfs_shm}")
        self._below_dev.append(_Detached(shm, "/dev/shm", True))
        insecure = spec.security == "insecure"
        if insecure or spec.network == "none":  # each network namespace has a sysfs of its own
            os.close(self._sys)
            self._sys = _kernel_view("sysfs", read_only=not insecure)
        if insecure:
            self._host_devices = host_devices()
        self._kernel.append(_Detached(self._sys, "/sys", True))
        given = {mount.target for mount in spec.mounts}
        for name, content in network.files(spec).items():
            if f"/etc/{name}" not in given:
                self._give_file(name, f"/etc/{name}", content)
        if single_id:
            self._give_file("apt", _APT_SETTING, b'APT::Sandbox::User "root";\n')
        for number, held in enumerate(spec.files):
            self._hold(f"held-{number}", held, single_id=single_id)
        for mount in spec.mounts:
            self._wanted.append(_prepare(mount))

    def _give_file(self, name: str, target: str, content: bytes) -> None:
        flags = os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC
        with open(os.open(name, flags, 0o644, dir_fd=self._files), "wb") as file:
            file.write(content)
        self._names[name] = (target, syscalls.ATTR_NOEXEC)

    def _hold(self, name: str, held: HeldFile, *, single_id: bool) -> None:
        """A file with an owner and a mode of its own; with one ID it is that one's."""
        self._give_file(name, held.target, held.content)
        if not single_id:
            try:
                os.chown(name, held.uid, held.gid, dir_fd=self._files)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                raise InvalidInput(no_owner(held.target, held.uid, held.gid)) from None
        os.chmod(name, held.mode & 0o7777, dir_fd=self._files)
        no_exec = 0 if held.mode & 0o111 else syscalls.ATTR_NOEXEC
        self._names[name] = (held.target, syscalls.ATTR_RDONLY | no_exec)

    def enter(self, spec: ProcessSpec) -> None:
        """Make the root the root, and let go of the host's file systems."""
        os.chdir(spec.root[0].target)
        # The old root comes to lie over the new one, at the same place: no folder for it is needed.
        syscalls.pivot_root(".", ".")
        syscalls.umount(".", syscalls.MNT_DETACH)
        os.chdir("/")

    def attach(self, spec: ProcessSpec) -> None:
        """Put every mount where it belongs, and make the mount points that are missing."""
        for mount in self._kernel:
            if os.path.islink(mount.target):
                raise InvalidInput(f"{mount.target} of the image is a symbolic link: it must be a folder")
            self._attach(mount)
        self._proc = os.stat("/proc").st_dev
        self.devices.attached(self._host_devices)
        files = list(self._bind_files(read_only=spec.read_only))
        # What is mounted at a folder must not hide what is mounted below it.
        all_others = [*self._below_dev, *files, *self._wanted]
        for mount in sorted(all_others, key=lambda mount: mount.target.rstrip("/").count("/")):
            try:
                self._attach(mount)
            except OSError as error:
                if error.errno != errno.EROFS:
                    raise
                # Of ours, what has no place in a read-only mount that the spec put over /etc is not missed.
                if mount not in files:
                    raise InvalidInput(
                        f"cannot mount at {mount.target}: it is not there, and cannot be made because "
                        "it lies in a mount that is read-only"
                    ) from None

    def _bind_files(self, *, read_only: bool) -> Iterable[_Detached]:
        """The files that we make as mounts, which they can become only while their tmpfs is attached."""
        self.devices.place(os.dup(self._files), "shm")
        for name, (target, attributes) in self._names.items():
            if target == _APT_SETTING and not os.path.isdir(os.path.dirname(target)):
                continue
            fd = syscalls.open_tree(name, dir_fd=self._files)
            syscalls.mount_setattr(fd, attributes | (syscalls.ATTR_RDONLY if read_only else 0))
            yield _Detached(fd, target, False)
        syscalls.umount("/dev/shm")

    def protect(self) -> None:
        """Hide and protect what Docker does."""
        empty = ""  # the first masked folder lends its empty file system to the others
        for path in _MASKED:
            kind = _kind(path)
            if kind == stat.S_IFDIR and not empty:
                _attach_at(_new("tmpfs", "ro,mode=0555"), path)
                empty = path
            elif kind == stat.S_IFDIR:
                _attach_at(syscalls.open_tree(empty), path)
            elif kind:
                _attach_at(self.devices.null_mount(), path)
        for path in _READ_ONLY:
            if _kind(path):
                fd = syscalls.open_tree(path, recursive=True)
                syscalls.mount_setattr(fd, syscalls.ATTR_RDONLY, recursive=True)
                _attach_at(fd, path)

    def seal(self, spec: ProcessSpec) -> None:
        """Nothing in the root is a device, whoever put it there; and it may be read-only."""
        attributes = 0 if spec.security == "insecure" else syscalls.ATTR_NODEV
        syscalls.mount_setattr("/", attributes | (syscalls.ATTR_RDONLY if spec.read_only else 0))

    def _attach(self, mount: _Detached) -> None:
        made = len(self.stubs)
        try:
            place = syscalls.openat2(mount.target, os.O_PATH, syscalls.RESOLVE_NO_SYMLINKS)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ELOOP):
                raise
            path = self._make_mount_point(mount.target, mount.folder)
            place = syscalls.openat2(path, os.O_PATH, syscalls.RESOLVE_NO_SYMLINKS)
        try:
            self._check(mount, place)
            if mount.tmpfs is not None:
                _settle(mount.fd, mount.tmpfs, place if len(self.stubs) == made else -1)
            syscalls.move_mount(mount.fd, place)
        except OSError as error:
            raise OSError(error.errno, error.strerror, mount.target) from None
        finally:
            os.close(place)
            if mount.fd != self.devices.folder:
                os.close(mount.fd)

    def _check(self, mount: _Detached, place: int) -> None:
        """Refuse what is not of one kind, and all in /proc: what the kernel tells there, programs believe."""
        info = os.fstat(place)
        if info.st_dev == self._proc and mount.target not in _PROC_FIGURES:
            raise InvalidInput(f'"{mount.target}" cannot be mounted because it is inside /proc')
        if stat.S_ISDIR(info.st_mode) != mount.folder:
            what = ("a folder", "a file") if mount.folder else ("a file", "a folder")
            raise InvalidInput(f"cannot mount {what[0]} at {mount.target}: it is {what[1]} in the image")

    def _make_mount_point(self, target: str, folder: bool) -> str:
        """Where `target` leads when the links of the image are followed; made when it is missing."""
        path = os.path.realpath(target)
        made = make_missing(path if folder else os.path.dirname(path))
        self.stubs += map(_relative, made)
        if not folder and not os.path.lexists(path):  # it is there when a link of the image leads to a file
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644))
            self.stubs.append(_relative(path))
        return path


def _prepare(mount: Mount) -> _Detached:
    """A mount that the spec asks for."""
    is_plain = mount.kind == "tmpfs" and "mode=" not in mount.options
    fd = apply.detached(replace(mount, read_only=False) if is_plain else mount)
    disarm(fd)
    return _Detached(fd, mount.target, stat.S_ISDIR(os.fstat(fd).st_mode), mount if is_plain else None)


def _settle(fd: int, tmpfs: Mount, place: int) -> None:
    """As runc: a tmpfs has the mode of the folder that it hides, where there was one."""
    if place >= 0:
        os.chmod(".", stat.S_IMODE(os.fstat(place).st_mode), dir_fd=fd)
    if tmpfs.read_only:
        syscalls.mount_setattr(fd, syscalls.ATTR_RDONLY)


def no_owner(target: str, uid: int, gid: int) -> str:
    """What to say where a user namespace has no such ID."""
    return f"{target} cannot belong to {uid}:{gid}: this user has no such IDs in /etc/subuid and /etc/subgid"


def make_missing(path: str) -> list[str]:
    """Make the folder `path`, which has no links in it, and those above it; the ones that were missing."""
    made = []
    parts = path.strip("/").split("/")
    for count in range(1, len(parts) + 1):
        here = "/" + "/".join(parts[:count])
        if not os.path.lexists(here):
            os.mkdir(here, 0o755)
            made.append(here)
    return made


def _relative(path: str) -> bytes:
    return os.fsencode(path.lstrip("/"))


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
