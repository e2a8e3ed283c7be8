"""Copier: the content of one open file into another: shared blocks if the disk can, holes kept."""

from __future__ import annotations

import errno
import fcntl
import os

_FICLONE = 0x40049409  # _IOW(0x94, 9, int), linux/fs.h
_SMALL = 128 * 1024  # up to here one read and one write are the fastest way
_BLOCK = 8 * 1024 * 1024
_CANNOT = frozenset({errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM})


class Copier:
    """Copies between open files, and remembers what the disks it works on cannot do."""

    def __init__(self) -> None:
        self._clone = True
        self._in_kernel = True

    def copy(self, source: int, target: int) -> int:
        """Copies all of `source` (a regular file) to `target` (empty); returns its size, holes included.

        The file may be shorter or longer than a moment ago: it ends where it ends while it is copied.
        """
        info = os.fstat(source)
        if info.st_size == 0:
            return 0
        if self._clone and self._cloned(source, target):
            return os.fstat(target).st_size
        sparse = info.st_blocks * 512 < info.st_size
        if not sparse:
            if info.st_size > _SMALL:
                return self._range(source, target, 0, info.st_size)
            return self._read_write(source, target, 0, info.st_size)
        position = 0
        while (data := _seek(source, position, os.SEEK_DATA)) is not None:
            hole = _seek(source, data, os.SEEK_HOLE) or info.st_size
            position = self._range(source, target, data, min(hole, info.st_size))
            if position < hole:  # it was cut short meanwhile, or this is the end
                break
        os.ftruncate(target, info.st_size)
        return info.st_size

    def _cloned(self, source: int, target: int) -> bool:
        try:
            fcntl.ioctl(target, _FICLONE, source)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
            self._clone = False
            return False
        return True

    def _range(self, source: int, target: int, start: int, end: int) -> int:
        """Copies the bytes from `start` to `end`; returns where it came to."""
        position = start
        while self._in_kernel and position < end:
            try:
                done = os.copy_file_range(source, target, end - position, position, position)
            except OSError as error:
                if error.errno not in _CANNOT:
                    raise
                self._in_kernel = False
                break
            if done == 0:
                return position
            position += done
        return self._read_write(source, target, position, end)

    def _read_write(self, source: int, target: int, start: int, end: int) -> int:
        position = start
        while position < end and (chunk := os.pread(source, min(end - position, _BLOCK), position)):
            write_all(target, chunk, position)
            position += len(chunk)
        return position


def write_all(fd: int, data: bytes, position: int) -> None:
    """Writes all of `data` at `position`, however often the system has to be asked."""
    done = os.pwrite(fd, data, position)
    while done < len(data):
        done += os.pwrite(fd, memoryview(data)[done:], position + done)


def _seek(fd: int, position: int, whence: int) -> int | None:
    try:
        return os.lseek(fd, position, whence)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nothing but a hole up to the end
            return None
        raise
