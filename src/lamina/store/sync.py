"""Makes what was written reach the disk."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from lamina.store.guard import guard

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEEPEST = 64  # folders that are open at a time
FEW = 64  # up to so many files are synced one by one; a whole file system costs more than that


def fsync_dir(path: str) -> None:
    """Makes the names in a folder reach the disk."""
    with guard(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync_tree(path: str, count: int) -> None:
    """Makes a folder with all below it reach the disk; `count` is about how many files there are."""
    with guard(path):
        if count > FEW or not _sync_each(path):
            _sync_file_system(path)


def _sync_each(path: str) -> bool:
    """Syncs files, then the folders that hold them, deepest first. False when one could not be opened."""
    folders = [path]
    for folder in folders:  # grows while it is walked
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.is_file(follow_symlinks=False) and not _sync_one(entry.path, 0):
                    return False
    return all(_sync_one(folder, os.O_DIRECTORY) for folder in reversed(folders))


def _sync_one(path: str, flag: int) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | flag)
    except PermissionError:  # mode 0000, and we are nobody in particular
        return False
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return True


def _sync_file_system(path: str) -> None:
    import ctypes  # spares every start-up that syncs no big tree

    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None:
            os.sync()
        elif syncfs(descriptor):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), path)
    finally:
        os.close(descriptor)


def tree_size(path: str) -> int:
    """Bytes in the regular files below a folder, one with several names counted once; 0 without a folder.

    Of a file that has names elsewhere too, only its part by the number of names counts.
    """
    total = 0
    parts: dict[int, int] = {}  # number of names -> bytes, counted for each name that was met
    open_folders = _entries(path)
    later: list[str] = []  # of a very deep tree what lies at the bottom: descriptors are few
    while open_folders or later:
        if not open_folders:
            open_folders = _entries(later.pop())
            continue
        entry = next(open_folders[-1], None)
        if entry is None:
            open_folders.pop()
        elif entry.is_dir(follow_symlinks=False):
            if len(open_folders) < _DEEPEST:
                open_folders += _entries(entry.path)
            else:
                later.append(entry.path)
        else:
            found = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
                total += found.st_size
            elif stat.S_ISREG(found.st_mode):
                parts[found.st_nlink] = parts.get(found.st_nlink, 0) + found.st_size
    return total + sum([size // names for names, size in parts.items()])


def _entries(path: str) -> list[Iterator[os.DirEntry[str]]]:
    """What is in a folder, read as it is needed; nothing where it is gone, shut, or too deep for a path."""
    try:
        return [os.scandir(path)]
    except OSError:
        return []
