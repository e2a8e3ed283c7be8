"""Beneath: opens folders and files below a root one name at a time, so that no link can lead out of it."""

from __future__ import annotations

import errno
import os
import stat

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Beneath:
    """A root folder. Paths are relative bytes; b"" is the root itself. Raises OSError.

    The folder used last stays open, since the next question is mostly about it too; `open_file` does
    without, for threads that read side by side.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._last: tuple[bytes, int] | None = None

    def folder(self, path: bytes) -> int:
        """A descriptor of a folder, valid until another one is asked for."""
        if self._last is not None and self._last[0] == path:
            return self._last[1]
        opened = self._walk(path)
        self.close()
        self._last = path, opened
        return opened

    def file(self, path: bytes) -> int:
        """A new descriptor of a regular file; its folder becomes the one used last."""
        folder, _, name = path.rpartition(b"/")
        return _open_in(self.folder(folder), name)

    def open_file(self, path: bytes) -> int:
        """A new descriptor of a regular file. Safe to call in threads."""
        folder, _, name = path.rpartition(b"/")
        parent = self._walk(folder)
        try:
            return _open_in(parent, name)
        finally:
            os.close(parent)

    def close(self) -> None:
        """Lets go of the folder used last."""
        if self._last is not None:
            os.close(self._last[1])
            self._last = None

    def _walk(self, path: bytes) -> int:
        at = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for name in path.split(b"/") if path else ():
            try:
                inner = os.open(name, _FOLDER, dir_fd=at)
            finally:
                os.close(at)
            at = inner
        return at


def _open_in(folder: int, name: bytes) -> int:
    opened = os.open(name, _FILE, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise OSError(errno.EINVAL, "it is no regular file any more")
    return opened
