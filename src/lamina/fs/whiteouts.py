"""Whiteouts: deletions and opaque folders on disk, as overlay reads them (overlayfs.rst, "Whiteouts ...").

A deletion is a character device 0/0, which anyone may make; where that is refused, an empty file with the
attribute overlay.whiteout in a folder with overlay.opaque="x". A folder that holds deletions also gets an
empty overlay.origin: without it the kernel looks for deletions only where two layers have the folder, and
shows them as broken files where one has.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from lamina.fs import xattr

if TYPE_CHECKING:
    from collections.abc import Iterator


class Whiteouts:
    """Writes deletions and marks folders opaque, with the attributes that this process's mounts read."""

    def __init__(self, *, plain: bool = False) -> None:
        """`plain` writes deletions in their second form even where devices can be made."""
        self._prefix = xattr.overlay_prefix()
        self._plain = plain

    def delete(self, folder: int, name: bytes) -> bool:
        """Writes the deletion of `name` in the open folder; False when something has that name already.

        Call mark() for the folder when all its deletions are written.
        """
        try:
            if not self._plain:
                os.mknod(name, stat.S_IFCHR, 0, dir_fd=folder)
                return True
        except FileExistsError:
            return False
        except PermissionError:
            self._plain = True
        return self._delete_plainly(folder, name)

    def mark(self, folder: int) -> None:
        """Marks an open folder as one that holds deletions."""
        try:
            os.setxattr(folder, self._prefix + "origin", b"")
            if self._plain:
                os.setxattr(folder, self._prefix + "opaque", b"x")
        except OSError as error:
            if error.errno != errno.ENOTSUP:  # then overlay cannot be mounted here, and nobody else reads it
                raise

    def mark_opaque(self, folder: int) -> None:
        """Marks an open folder as one that hides what the layers below have in it."""
        os.setxattr(folder, self._prefix + "opaque", b"y")

    def is_one(self, folder: int, name: bytes) -> bool:
        """Whether `name` in the open folder is a deletion, in either form."""
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if stat.S_ISCHR(found.st_mode):
            return found.st_rdev == 0
        if not stat.S_ISREG(found.st_mode) or found.st_size:
            return False
        return self._prefix + "whiteout" in xattr.names_of(b"/proc/self/fd/%d/%b" % (folder, name))

    def names(self, folder: int) -> Iterator[bytes]:
        """The names of the deletions in the open folder; they may be removed meanwhile."""
        with os.scandir(folder) as items:
            for item in items:
                name = os.fsencode(item.name)
                if not item.is_dir(follow_symlinks=False) and self.is_one(folder, name):
                    yield name

    def unmark(self, folder: int) -> bool:
        """Takes all of overlay's marks off an open folder; returns whether it was opaque."""
        opaque = False
        for name in xattr.names_of(folder):
            if name.startswith(self._prefix):
                opaque |= name == self._prefix + "opaque" and xattr.get(folder, name) == b"y"
                xattr.remove(folder, name)
        return opaque

    def _delete_plainly(self, folder: int, name: bytes) -> bool:
        try:
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
        except FileExistsError:
            return False
        try:
            os.setxattr(fd, self._prefix + "whiteout", b"y")
        finally:
            os.close(fd)
        return True
