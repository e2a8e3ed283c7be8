"""open_in_root: opens a path inside a folder as if that folder were `/`: no link leads out of it.

By openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS) (Linux 5.6), and where that is missing or forbidden by the
same rule, one name at a time. For folders whose content is not ours: build contexts, merged roots.
"""

from __future__ import annotations

import errno
import os
import stat
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_NR_OPENAT2 = 437  # the same on all architectures
_NO_MAGICLINKS = 0x02
_IN_ROOT = 0x10
_MOST_LINKS = 40  # as the kernel's
_MOST_TRIES = 32  # openat2 says EAGAIN while somebody renames folders around
_OPENS_AGAIN = os.O_PATH | os.O_NOFOLLOW
_INHERITED = ~(os.O_CREAT | os.O_EXCL | os.O_TRUNC)  # flags that make no sense for looking


def open_in_root(root: int, path: bytes, flags: int = os.O_RDONLY) -> int:
    """A descriptor of what `path` names inside the open folder `root`. OSError as open(2).

    An absolute path or link begins at `root`, `..` in `root` stays there. With O_NOFOLLOW a link at the
    end is an error (ELOOP), or opened itself with O_PATH. Nothing is created.
    """
    flags = (flags & _INHERITED) | os.O_CLOEXEC
    for _ in range(_MOST_TRIES):
        try:
            return _openat2()(root, path or b".", flags)
        except OSError as error:
            if error.errno in {errno.ENOSYS, errno.EPERM}:
                break
            if error.errno != errno.EAGAIN:
                raise
    return open_by_hand(root, path, flags)


@cache
def _openat2() -> Callable[[int, bytes, int], int]:
    import ctypes  # several ms, and a build that finds all in its cache opens nothing this way

    class OpenHow(ctypes.Structure):
        _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))

    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long

    def call(root: int, path: bytes, flags: int) -> int:
        how = OpenHow(flags, 0, _IN_ROOT | _NO_MAGICLINKS)
        if b"\0" in path:
            raise ValueError("embedded null byte")
        fd: int = syscall(
            ctypes.c_long(_NR_OPENAT2),
            ctypes.c_int(root),
            ctypes.c_char_p(path),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
        if fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), os.fsdecode(path))
        return fd

    return call


def open_by_hand(root: int, path: bytes, flags: int = os.O_RDONLY) -> int:
    """The same without openat2."""
    way = _Way(root)
    try:
        return way.open(path, flags)
    finally:
        way.close()


class _Way:
    """Descriptors from the root down to the folder that the walk has come to."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._below: list[int] = []  # of the folders below the root
        self._links = 0

    def open(self, path: bytes, flags: int) -> int:
        todo = self._start(path)
        while todo:
            name = todo.pop()
            if name == b".":
                continue
            if name == b"..":
                if self._below:
                    os.close(self._below.pop())
                continue
            fd = os.open(name, _OPENS_AGAIN, dir_fd=self._here())
            mode = os.fstat(fd).st_mode
            if stat.S_ISLNK(mode) and (todo or not flags & os.O_NOFOLLOW):
                todo += self._follow(fd)
            elif todo or stat.S_ISDIR(mode):
                self._below.append(fd)
                if not stat.S_ISDIR(mode):
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fsdecode(path))
            else:
                os.close(fd)
                # O_NOFOLLOW: if a link took its place just now, that is an error and not a way out
                return os.open(name, flags | os.O_NOFOLLOW, dir_fd=self._here())
        return os.open(".", flags, dir_fd=self._here())

    def close(self) -> None:
        for fd in self._below:
            os.close(fd)
        self._below.clear()

    def _here(self) -> int:
        return self._below[-1] if self._below else self._root

    def _start(self, path: bytes) -> list[bytes]:
        """The names of `path`, last first; goes back to the root when it is absolute."""
        if path.startswith(b"/"):
            self.close()
        names = [name for name in path.split(b"/") if name not in {b"", b"."}]
        if names and path.endswith((b"/", b"/.")):
            names.append(b".")  # what comes before has to be a folder
        return names[::-1]

    def _follow(self, link: int) -> list[bytes]:
        try:
            self._links += 1
            if self._links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            return self._start(os.readlink(b"", dir_fd=link))
        finally:
            os.close(link)
