"""remove_tree: removes a folder with all below it, whatever is in it."""

from __future__ import annotations

import errno
import os

from lamina.errors import Conflict
from lamina.store.guard import guard

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST = 64  # folders below this are moved up: a tree of any depth needs twice so many descriptors only


def remove_tree(path: str) -> None:
    """Afterwards nothing is at `path`. Follows no link, leaves no file system, opens folders that are shut.

    Conflict when something is mounted in there; Denied when the system refuses.
    """
    with guard(path):
        parent, name = os.path.split(os.path.abspath(path))
        above = os.open(parent, _OPEN)
        try:
            _Removal(above, name).run()
        except FileNotFoundError:
            pass  # another process that cleans up was faster
        finally:
            os.close(above)


class _Removal:
    """One removal: `above` is the folder that holds the tree, `name` the tree's name in it."""

    def __init__(self, above: int, name: str) -> None:
        self._above = above
        self._name = name
        self._device = os.stat(name, dir_fd=above, follow_symlinks=False).st_dev
        self._top = -1
        self._moved = 0

    def run(self) -> None:
        top = self._remove(self._above, self._name)
        if top is None:
            return
        self._top = top
        try:
            # folders that lay too deep are moved to the top while it is emptied: then it is not empty yet
            while not self._rmdir(self._above, self._name):
                self._empty(self._top)
        finally:
            os.close(top)

    def _empty(self, top: int) -> None:
        """Removes all that is in the folder `top`, by a stack of open folders and not by recursion."""
        # Names are read while those before are removed: all of a large folder's would fill the memory.
        # What a file system forgets to tell that way is left for the next round.
        stack = [(top, os.scandir(top), "")]
        try:
            while stack:
                folder, items, name = stack[-1]
                item = next(items, None)
                if item is not None:
                    inner = self._remove(folder, item.name, deep=len(stack) >= _DEEPEST)
                    if inner is not None:
                        stack.append((inner, os.scandir(inner), item.name))
                else:
                    stack.pop()
                    if stack:
                        os.close(folder)
                        self._rmdir(stack[-1][0], name)
        finally:
            for folder, items, _ in stack:
                items.close()
                if folder != top:
                    os.close(folder)

    def _remove(self, folder: int, name: str, *, deep: bool = False) -> int | None:
        """Removes one name; a folder that is not empty is opened and returned instead, or moved up."""
        try:
            os.unlink(name, dir_fd=folder)
            return None
        except FileNotFoundError:
            return None
        except (IsADirectoryError, PermissionError):  # a folder; or the folder around it is shut
            pass
        if self._rmdir(folder, name):
            return None
        if deep:
            self._move_up(folder, name)
            return None
        try:
            return self._open(folder, name)
        except FileNotFoundError:  # another process removes the same tree
            return None

    def _rmdir(self, folder: int, name: str) -> bool:
        """Whether the folder `name` is gone now; False when it is not empty."""
        try:
            os.rmdir(name, dir_fd=folder)
        except FileNotFoundError:
            return True
        except NotADirectoryError:
            os.chmod(folder, 0o700)
            os.unlink(name, dir_fd=folder)
            return True
        except PermissionError:
            os.chmod(folder, 0o700)
            return self._rmdir_once(folder, name)
        except OSError as error:
            if error.errno == errno.EBUSY:
                raise self._mounted(name) from error
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
            return False
        return True

    def _rmdir_once(self, folder: int, name: str) -> bool:
        try:
            os.rmdir(name, dir_fd=folder)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
            return False
        return True

    def _open(self, folder: int, name: str) -> int:
        try:
            inner = os.open(name, _OPEN, dir_fd=folder)
        except PermissionError:
            os.chmod(name, 0o700, dir_fd=folder)  # a folder, not a link: unlink refused it as one
            inner = os.open(name, _OPEN, dir_fd=folder)
        try:
            found = os.fstat(inner)
            if found.st_dev != self._device:
                raise self._mounted(name)
            if found.st_mode & 0o700 != 0o700:
                os.chmod(inner, 0o700)
        except BaseException:
            os.close(inner)
            raise
        return inner

    def _move_up(self, folder: int, name: str) -> None:
        inner = self._open(folder, name)  # makes it writable, as a move to another folder needs
        os.close(inner)
        self._moved += 1
        os.rename(name, f".deep-{os.getpid()}-{self._moved}", src_dir_fd=folder, dst_dir_fd=self._top)

    def _mounted(self, name: str) -> Conflict:
        return Conflict(
            f"something is mounted at {name!r} below {self._name}", hint="unmount it, then try again"
        )
