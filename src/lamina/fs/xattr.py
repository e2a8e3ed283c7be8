"""Extended attributes: which ones belong to a file, which ones are overlay's, how to read and set them.

An image keeps `user.*` and `security.capability`. The rest belongs to the machine (SELinux labels, ACLs
with the host's IDs) or to overlay itself: `trusted.overlay.*` for the real root, `user.overlay.*` inside a
user namespace (mount option userxattr; overlayfs.rst, "Whiteouts and opaque directories").
"""

from __future__ import annotations

import errno
import os
import struct

Xattrs = tuple[tuple[bytes, bytes], ...]

TRUSTED = "trusted.overlay."
USER = "user.overlay."
_CAPABILITY = "security.capability"
# Not there (any more), or the file system has no attributes at all.
_ABSENT = frozenset({errno.ENODATA, errno.ENOTSUP, errno.ENOENT})
_REVISION_2 = 0x02000000  # struct vfs_cap_data in linux/capability.h: magic and revision come first
_REVISION_3 = 0x03000000
_REVISIONS = 0xFF000000


def overlay_prefix() -> str:
    """The prefix of the attributes that overlay reads and writes when this process mounts it.

    It changes when the process enters a user namespace, so do not keep it across that.
    """
    return TRUSTED if os.geteuid() == 0 and in_first_namespace() else USER


def in_first_namespace() -> bool:
    """Whether IDs mean here what they mean to the kernel: we are in no user namespace but the first."""
    try:
        with open("/proc/self/uid_map", "rb", buffering=0) as file:
            return file.read(200).split() == [b"0", b"0", b"4294967295"]
    except FileNotFoundError:  # a kernel without user namespaces
        return True


def belongs(name: str) -> bool:
    """Whether the attribute is part of the file, as an image sees it."""
    return name == _CAPABILITY or (name.startswith("user.") and not name.startswith(USER))


def names_of(path: bytes | int) -> list[str]:
    """The names of all attributes of a file that is no link to follow; [] where there can be none."""
    try:
        return os.listxattr(path) if isinstance(path, int) else os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno in _ABSENT:
            return []
        raise


def get(path: bytes | int, name: str) -> bytes | None:
    """The value of one attribute, None when it is not there."""
    try:
        if isinstance(path, int):
            return os.getxattr(path, name)
        return os.getxattr(path, name, follow_symlinks=False)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise


def values(path: bytes | int, names: list[str]) -> Xattrs:
    """The attributes among `names` that belong to the file, sorted by name."""
    return tuple(
        (os.fsencode(name), _plain(value) if name == _CAPABILITY else value)
        for name in sorted(names)
        if belongs(name) and (value := get(path, name)) is not None
    )


def remove(path: bytes | int, name: str) -> None:
    """Takes the attribute away, if it is there."""
    try:
        if isinstance(path, int):
            os.removexattr(path, name)
        else:
            os.removexattr(path, name, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _ABSENT:
            raise


def _plain(capability: bytes) -> bytes:
    """A capability without the ID of the user namespace that set it (revision 3), as images have it."""
    if len(capability) != 24:
        return capability
    (magic,) = struct.unpack_from("<I", capability)
    if magic & _REVISIONS != _REVISION_3:
        return capability
    return struct.pack("<I", (magic & ~_REVISIONS) | _REVISION_2) + capability[4:20]
