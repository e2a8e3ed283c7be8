"""LocalFolder: entries as files of the calling user, in a folder that may have things in it already."""

from __future__ import annotations

import io
import os
import stat
from typing import TYPE_CHECKING, BinaryIO

from lamina.errors import Conflict, InvalidInput
from lamina.fs.copy import Copier
from lamina.fs.failures import failure, shown
from lamina.fs.folders import Folders
from lamina.store.files import remove_tree
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from types import TracebackType

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_MODE = 0o1777  # setuid and setgid mean something else for another owner


class LocalFolder:
    """Puts entries, folders before what is in them, below one folder; `finish` comes last."""

    def __init__(self, path: str) -> None:
        """`path` is made if it is missing. Denied, NoSpace, InvalidInput when it is no folder."""
        try:
            os.makedirs(path, exist_ok=True)
            self._folders = Folders(path)
            self._links = Folders(path)
        except OSError as error:
            raise failure(error, path) from error
        self._copier = Copier()
        self._dirs: list[Entry] = []
        self._path = path
        self._kept: set[bytes] = set()

    def put(self, entry: Entry, source: BinaryIO | None = None) -> None:
        """Makes one entry; what is at its path gives way, but a folder stays for a folder."""
        if entry.kind in (Kind.CHAR, Kind.BLOCK, Kind.SOCKET, Kind.WHITEOUT):
            return
        parent, _, name = entry.path.rpartition(b"/")
        self._kept.add(entry.path)
        try:
            if entry.kind is Kind.DIR:
                self._put_folder(entry, parent, name)
            else:
                self._put_other(entry, self._folders.fd(parent), name, source)
        except OSError as error:
            raise failure(error, entry.path) from error

    def delete_others(self) -> None:
        """Removes what was in the folder and was not put. Follows no link, leaves no file system.

        Conflict when something is mounted in there; Denied.
        """
        folders = {entry.path for entry in self._dirs}
        self._check_mounts(folders)
        todo = [b""]
        while todo:
            folder = todo.pop()
            try:
                names = os.listdir(os.path.join(os.fsencode(self._path), folder))
            except OSError as error:
                raise failure(error, folder) from error
            for path in [os.path.join(folder, name) for name in names]:
                if path in folders:
                    todo.append(path)
                elif path not in self._kept:
                    remove_tree(os.path.join(self._path, os.fsdecode(path)))

    def _check_mounts(self, folders: set[bytes]) -> None:
        """Conflict where another file system lies in the place of one of our folders: we may not empty it."""
        root = os.fsencode(self._path)
        device = os.stat(root).st_dev
        for path in sorted(folders):
            try:
                found = os.stat(os.path.join(root, path), follow_symlinks=False)
            except OSError as error:
                raise failure(error, path) from error
            if found.st_dev != device:
                raise Conflict(
                    f"something is mounted at {shown(path)}, so that nothing is deleted",
                    hint="unmount it, or leave mode=delete out",
                )

    def finish(self) -> None:
        """Gives folders their mode and time, which writing into them would have changed."""
        for entry in reversed(self._dirs):
            try:
                fd = self._folders.fd(entry.path)
                os.fchmod(fd, entry.mode & _MODE)
                os.utime(fd, ns=(entry.mtime, entry.mtime))
            except OSError as error:
                raise failure(error, entry.path) from error

    def _put_folder(self, entry: Entry, parent: bytes, name: bytes) -> None:
        if not name:  # the folder itself is the caller's
            return
        fd = self._folders.fd(parent)
        try:
            os.mkdir(name, 0o700, dir_fd=fd)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                os.unlink(name, dir_fd=fd)
                os.mkdir(name, 0o700, dir_fd=fd)
        self._dirs.append(entry)

    def _put_other(self, entry: Entry, fd: int, name: bytes, source: BinaryIO | None) -> None:
        try:
            os.unlink(name, dir_fd=fd)
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            raise InvalidInput(f"{shown(entry.path)}: a folder is in its place, and is not removed") from None
        if entry.kind is Kind.SYMLINK:
            os.symlink(entry.link, name, dir_fd=fd)
            os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=fd, follow_symlinks=False)
        elif entry.kind is Kind.HARDLINK:
            folder, _, target = entry.link.rpartition(b"/")
            source_fd = self._links.fd(folder)
            os.link(target, name, src_dir_fd=source_fd, dst_dir_fd=fd, follow_symlinks=False)
        elif entry.kind is Kind.FIFO:
            os.mkfifo(name, entry.mode & _MODE, dir_fd=fd)
            os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=fd)
        else:
            self._write_file(entry, fd, name, source)

    def _write_file(self, entry: Entry, folder: int, name: bytes, source: BinaryIO | None) -> None:
        fd = os.open(name, _NEW_FILE, 0o600, dir_fd=folder)
        try:
            if isinstance(source, io.BytesIO):
                _write_all(fd, source.getvalue())
            elif source is not None:
                self._copier.copy(source.fileno(), fd)
            os.fchmod(fd, entry.mode & _MODE)
            os.utime(fd, ns=(entry.mtime, entry.mtime))
        except BaseException:
            os.unlink(name, dir_fd=folder)  # a file is there whole, or not at all
            raise
        finally:
            os.close(fd)

    def __enter__(self) -> LocalFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folders.close()
        self._links.close()


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
