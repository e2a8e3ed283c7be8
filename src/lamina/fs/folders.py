"""Folders: descriptors of the folders below a root, opened one name at a time, no link followed.

Paths are looked up from the descriptor of the folder above, so their length has no limit, and a link that
somebody puts in the way is an error instead of a way out.
"""

from __future__ import annotations

import os

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_KEPT = 128  # descriptors held at a time; folders further up are opened again when they are needed
_CLOSED = -1


class Folders:
    """The way from a root to the folder used last, as open descriptors.

    Made for callers that visit paths in an order where neighbours share most of their way. Not for use
    by two threads at once.
    """

    def __init__(self, root: str | bytes | int) -> None:
        """`root` is a path (whose own links are followed) or a descriptor, which is duplicated."""
        first = os.dup(root) if isinstance(root, int) else os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        self._path = b""
        self._names: list[bytes] = []
        self._fds = [first]  # of the root, then one for each of _names; some far up may be _CLOSED

    def fd(self, path: bytes) -> int:
        """A descriptor of the folder at `path` (b"" is the root), good until the next call.

        OSError when it is not there, or when it or a part of its path is not a folder (ENOTDIR, ELOOP).
        """
        if path != self._path:
            self._go(path)
        return self._fds[-1]

    @property
    def path(self) -> bytes:
        """The folder that was asked for last; b"" at first."""
        return self._path

    @property
    def root(self) -> int:
        """A descriptor of the root, good until close()."""
        return self._fds[0]

    def forget(self) -> None:
        """Goes back to the root: call it before a folder on the way is renamed or removed."""
        self._drop(0)

    def close(self) -> None:
        """Closes all descriptors."""
        for fd in self._fds:
            if fd != _CLOSED:
                os.close(fd)
        self._fds.clear()

    def __enter__(self) -> Folders:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _go(self, path: bytes) -> None:
        names = path.split(b"/") if path else []
        shared = 0
        for ours, wanted in zip(self._names, names, strict=False):
            if ours != wanted:
                break
            shared += 1
        self._drop(shared)
        try:
            for name in names[shared:]:
                self._push(name)
        finally:
            self._path = b"/".join(self._names)  # as far as we came

    def _push(self, name: bytes) -> None:
        fd = os.open(name, _OPEN, dir_fd=self._fds[-1])
        self._names.append(name)
        self._fds.append(fd)
        stale = len(self._fds) - 1 - _KEPT
        if stale > 0 and self._fds[stale] != _CLOSED:
            os.close(self._fds[stale])
            self._fds[stale] = _CLOSED

    def _drop(self, depth: int) -> None:
        """Shortens the way to its first `depth` names, and makes sure that the last of them is open."""
        for fd in self._fds[depth + 1 :]:
            if fd != _CLOSED:
                os.close(fd)
        del self._fds[depth + 1 :]
        del self._names[depth:]
        self._path = b"/".join(self._names)
        if self._fds[-1] == _CLOSED:
            self._reopen()

    def _reopen(self) -> None:
        names = self._names[:]
        held = len(self._fds) - 1
        while self._fds[held] == _CLOSED:
            held -= 1
        del self._fds[held + 1 :]
        del self._names[held:]
        for name in names[held:]:
            self._push(name)
