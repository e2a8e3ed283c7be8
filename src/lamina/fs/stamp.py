"""Stamp: gives a new file its owner, mode, attributes and time, as far as this process may.

Inside a user namespace not every ID exists and not every attribute can be set. What the disk cannot hold is
left out here, and only here: the rows of a layer keep the truth.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from lamina.errors import InvalidInput, Unsupported
from lamina.fs import xattr
from lamina.fs.failures import shown

if TYPE_CHECKING:
    from lamina.tree.entry import Entry

_KEEP = -1  # for chown: leave this one as it is
_LAST_ID = 2**32 - 2  # 2**32 - 1 is (uid_t)-1, which chown takes for "leave it"
_NOT_HERE = frozenset({errno.EINVAL, errno.EPERM})
_MANY = 4096  # owners that are remembered
_ALWAYS_FIT = 3000  # bytes of attributes that every file system holds


class Stamp:
    """Sets metadata on files that this process just made (so: owned by it, without attributes)."""

    def __init__(self) -> None:
        ours = (os.geteuid(), os.getegid())
        self._first = xattr.in_first_namespace()
        self._all_powerful = self._first and ours[0] == 0
        # owner asked for -> what to pass to chown; (_KEEP, _KEEP): nothing to do
        self._owners: dict[tuple[int, int], tuple[int, int]] = {ours: (_KEEP, _KEEP)}

    def open_file(self, fd: int, entry: Entry) -> None:
        """Stamps the open file or folder `fd`."""
        self._own(fd, entry, None)
        os.fchmod(fd, entry.mode)  # after chown, which takes setuid and capabilities away
        if entry.xattrs:
            self._xattrs(fd, entry)
        os.utime(fd, ns=times(entry))

    def name(self, name: bytes, folder: int, entry: Entry, *, mode: bool) -> None:
        """Stamps `name` in `folder`, something that cannot be opened; `mode` is False for a link."""
        self._own(name, entry, folder)
        if mode:
            os.chmod(name, entry.mode, dir_fd=folder)
        if entry.xattrs:
            self._xattrs(b"/proc/self/fd/%d/%b" % (folder, name), entry)
        os.utime(name, ns=times(entry), dir_fd=folder, follow_symlinks=False)

    def _own(self, file: int | bytes, entry: Entry, folder: int | None) -> None:
        owner = (entry.uid, entry.gid)
        known = self._owners.get(owner)
        if known is None:
            if len(self._owners) > _MANY:
                self._owners.clear()
            known = self._owners[owner] = self._try(file, owner, folder, entry)
        elif known != (_KEEP, _KEEP):
            _chown(file, known, folder)

    def _try(
        self, file: int | bytes, owner: tuple[int, int], folder: int | None, entry: Entry
    ) -> tuple[int, int]:
        """Sets an owner for the first time; returns the part of it that can be held here."""
        if not (0 <= owner[0] <= _LAST_ID and 0 <= owner[1] <= _LAST_ID):
            raise InvalidInput(f"{shown(entry.path)}: no such owner: {owner[0]}:{owner[1]}")
        held = []
        for part in (owner, (owner[0], _KEEP), (_KEEP, owner[1])):
            try:
                _chown(file, part, folder)
            except OSError as error:
                if self._all_powerful or error.errno not in _NOT_HERE:
                    raise
            else:
                held.append(part)
                if part == owner:
                    break
        return held[0] if held else (_KEEP, _KEEP)

    def _xattrs(self, file: int | bytes, entry: Entry) -> None:
        for name, value in entry.xattrs:
            text = os.fsdecode(name)
            if not xattr.belongs(text):
                continue  # above all: only overlay may say what overlay reads
            try:
                if isinstance(file, int):
                    os.setxattr(file, text, value)
                else:
                    os.setxattr(file, text, value, follow_symlinks=False)
            except OSError as error:
                self._refused(error, entry, text)

    def _refused(self, error: OSError, entry: Entry, name: str) -> None:
        """Raises when an attribute that was refused matters, or when it is not this process's fault."""
        if error.errno == errno.ENOTSUP or (error.errno in _NOT_HERE and not self._all_powerful):
            return
        size = sum(len(key) + len(value) for key, value in entry.xattrs)
        if error.errno in {errno.E2BIG, errno.ERANGE} or (
            # ext4 keeps the attributes of a file in one block and calls that block a full disk
            error.errno == errno.ENOSPC and size > _ALWAYS_FIT
        ):
            raise Unsupported(
                f"{shown(entry.path)}: this file system cannot hold {size} bytes of extended attributes"
            ) from error
        if error.errno == errno.EINVAL:
            raise InvalidInput(f"{shown(entry.path)}: invalid extended attribute {name[:100]!r}") from error
        raise error


def times(entry: Entry) -> tuple[int, int]:
    """Access and modification time for os.utime. InvalidInput when the disk cannot count that far."""
    if not -(2**63) <= entry.mtime < 2**63:
        raise InvalidInput(f"{shown(entry.path)}: impossible time {entry.mtime // 1_000_000_000} s")
    return (entry.mtime, entry.mtime)


def _chown(file: int | bytes, owner: tuple[int, int], folder: int | None) -> None:
    if isinstance(file, int):
        os.fchown(file, *owner)
    else:
        os.chown(file, *owner, dir_fd=folder, follow_symlinks=False)
