"""File trees of images, as other tools and as Lamina show them, entry by entry."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from pathlib import Path
from typing import NamedTuple


class Seen(NamedTuple):
    """One path as a tool shows it: everything that an image promises to keep, but for times."""

    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    content: str  # SHA-256, the target of a link, or the device number
    xattrs: tuple[tuple[str, bytes], ...] = ()


def of_folder(root: Path) -> dict[str, Seen]:
    """The tree below a folder: an unpacked or a mounted image."""
    found: dict[str, Seen] = {}
    for folder, folders, files in os.walk(os.fsencode(root)):
        for name in folders + files:
            path = os.path.join(folder, name)
            found[os.fsdecode(os.path.relpath(path, os.fsencode(root)))] = _seen(path)
    return found


def _seen(path: bytes) -> Seen:
    status = os.lstat(path)
    content, size = "", 0
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        size = status.st_size
    elif stat.S_ISLNK(status.st_mode):
        content = os.fsdecode(os.readlink(path))
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        content = str(status.st_rdev)
    xattrs = tuple(
        (name, os.getxattr(path, name, follow_symlinks=False))
        for name in sorted(os.listxattr(path, follow_symlinks=False))
        if name == "security.capability" or name.startswith("user.")
    )
    kind, mode = stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode)
    return Seen(oct(kind), mode, status.st_uid, status.st_gid, size, content, xattrs)


# What `docker create` adds to a container's file system, whatever the image.
ADDED_BY_DOCKER = frozenset(
    [
        ".dockerenv",
        "etc/hostname",
        "etc/hosts",
        "etc/resolv.conf",
        "etc/mtab",
        "dev/console",
        "dev/pts",
        "dev/shm",
    ]
)


def of_tar(archive: Path) -> dict[str, Seen]:
    """The tree in a tar of a whole root file system, such as `docker export` writes."""
    found: dict[str, Seen] = {}
    kinds = {tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK, tarfile.CHRTYPE: stat.S_IFCHR}
    kinds |= {tarfile.BLKTYPE: stat.S_IFBLK, tarfile.FIFOTYPE: stat.S_IFIFO}
    with tarfile.open(archive, errors="surrogateescape") as tar:
        for member in tar:
            name = member.name.removeprefix("./").rstrip("/")
            content, size = "", 0
            if member.isreg() or member.islnk():
                file = tar.extractfile(member)
                assert file is not None
                data = file.read()
                content, size = hashlib.sha256(data).hexdigest(), len(data)
            elif member.issym():
                content = member.linkname
            elif member.ischr() or member.isblk():
                content = str(os.makedev(member.devmajor, member.devminor))
            capability = member.pax_headers.get("SCHILY.xattr.security.capability")
            xattrs = (
                (("security.capability", capability.encode(errors="surrogateescape")),) if capability else ()
            )
            kind = kinds.get(member.type, stat.S_IFREG)
            mode = 0o777 if member.issym() else member.mode & 0o7777
            found[name] = Seen(oct(kind), mode, member.uid, member.gid, size, content, xattrs)
    return found


def differences(ours: dict[str, Seen], theirs: dict[str, Seen]) -> list[str]:
    """What differs, a line each; empty when the trees are equal."""
    lines = [f"only ours: {path}" for path in sorted(ours.keys() - theirs.keys())]
    lines += [f"only theirs: {path}" for path in sorted(theirs.keys() - ours.keys())]
    both = sorted(ours.keys() & theirs.keys())
    return lines + [f"{path}: {ours[path]} != {theirs[path]}" for path in both if ours[path] != theirs[path]]
