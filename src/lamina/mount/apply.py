"""Makes the mounts that a types.Mount describes, in the mount namespace of the calling process."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from lamina.mount import syscalls as sys
from lamina.mount.table import mounts_below as mounts_below

if TYPE_CHECKING:
    from lamina.mount.types import Mount

# Words in Mount.options that belong to the mount and not to the file system.
_ATTRIBUTES = {
    "nosuid": sys.ATTR_NOSUID,
    "nodev": sys.ATTR_NODEV,
    "noexec": sys.ATTR_NOEXEC,
    "strictatime": sys.ATTR_STRICTATIME,
    "ro": sys.ATTR_RDONLY,
}
# mount(2) takes one page of options, with the zero at its end.
_OLD_DATA_LIMIT = 4095
_MS_OF_ATTRIBUTE = {"nosuid": 2, "nodev": 4, "noexec": 8, "strictatime": 1 << 24, "ro": sys.MS_RDONLY}


def apply(mount: Mount, target: str | None = None) -> None:
    """Mount `mount` at `target`, or at its own target; the folder or file must be there.

    Raises OSError, with the kernel's own explanation where there is one.
    """
    where = mount.target if target is None else target
    try:
        fd = detached(mount)
    except OSError as error:
        if mount.kind != "overlay" or error.errno not in (errno.ENOSYS, errno.EINVAL):
            raise
        _old_overlay(mount, where, error)  # `lowerdir+` is of Linux 6.7
        return
    try:
        sys.move_mount(fd, where)
    finally:
        os.close(fd)


def detached(mount: Mount) -> int:
    """The descriptor of a mount made as described and attached nowhere; closing it undoes it."""
    options, attributes = _split_options(mount)
    if mount.kind == "bind":
        return _detached_bind(mount, attributes)
    context = sys.fsopen(mount.kind)
    try:
        sys.fsconfig(context, "source", mount.source or mount.kind)
        for lower in mount.lowers:
            sys.fsconfig(context, "lowerdir+", lower)
        for data in mount.datas:
            sys.fsconfig(context, "datadir+", data)
        if mount.upper:
            # Unlike `lowerdir+`, these two take a backslash for an escape.
            sys.fsconfig(context, "upperdir", mount.upper.replace("\\", "\\\\"))
            sys.fsconfig(context, "workdir", mount.work.replace("\\", "\\\\"))
        for key, value in options:
            sys.fsconfig(context, key, value)
        return sys.fsmount(context, attributes)
    finally:
        os.close(context)


def unmount(target: str) -> None:
    """Detach what is mounted at `target`, at once; what still uses it keeps it until it ends."""
    sys.umount(target)


def _split_options(mount: Mount) -> tuple[list[tuple[str, str | None]], int]:
    """(options of the file system, attributes of the mount) from Mount.options and .read_only."""
    options: list[tuple[str, str | None]] = []
    attributes = sys.ATTR_RDONLY if mount.read_only else 0
    for word in filter(None, mount.options.split(",")):
        if word in _ATTRIBUTES:
            attributes |= _ATTRIBUTES[word]
        elif word != "rw":
            key, has_value, value = word.partition("=")
            options.append((key, value if has_value else None))
    return options, attributes


def _detached_bind(mount: Mount, attributes: int) -> int:
    fd = _inner_tree(mount) if mount.inside else sys.open_tree(mount.source, recursive=mount.recursive)
    if attributes:
        try:
            sys.mount_setattr(fd, attributes, recursive=mount.recursive)
        except OSError:
            os.close(fd)
            raise
    return fd


def _inner_tree(mount: Mount) -> int:
    """A copy of the mount at a path inside of a folder that is the root for all links on the way."""
    folder = os.open(mount.source, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        place = sys.openat2(mount.inside, os.O_PATH, sys.RESOLVE_IN_ROOT, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        return sys.open_tree("", recursive=mount.recursive, dir_fd=place)
    finally:
        os.close(place)


def _old_overlay(mount: Mount, target: str, cause: OSError) -> None:
    """Overlay by mount(2), for kernels before 6.7: all lowers in one page of options."""
    words = ["lowerdir=" + ":".join(_escape(lower, ":") for lower in mount.lowers)]
    if mount.upper:
        words += ["upperdir=" + _escape(mount.upper), "workdir=" + _escape(mount.work)]
    flags = sys.MS_RDONLY if mount.read_only else 0
    for word in filter(None, mount.options.split(",")):
        if word in _MS_OF_ATTRIBUTE:
            flags |= _MS_OF_ATTRIBUTE[word]
        else:
            words.append(word)
    data = ",".join(words)
    if len(os.fsencode(data)) > _OLD_DATA_LIMIT:
        raise cause
    try:
        sys.mount("overlay", target, "overlay", flags, data)
    except OSError as error:
        # The newer call explained itself; keep its words unless it did not know the option at all.
        if error.errno == cause.errno:
            raise cause from None
        raise


def _escape(path: str, also: str = "") -> str:
    """A path as an overlay option wants it: backslash before what separates options."""
    for char in "\\," + also:
        path = path.replace(char, "\\" + char)
    return path
