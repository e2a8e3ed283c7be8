"""NewFile: a file that gets its name when all of it is written, and that no crash can leave half-written."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from lamina.fs.failures import failure

if TYPE_CHECKING:
    from types import TracebackType

_NO_NAMELESS = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL})


class NewFile:
    """`with NewFile(path) as file:` `write`, then `commit`, which replaces what has the name.

    What is a device or a pipe is written to as it is. NoSpace, Denied, NotFound, InvalidInput.
    """

    def __init__(self, path: str) -> None:
        self._as_it_is = os.path.exists(path) and not os.path.isfile(path)
        if os.path.islink(path) and not self._as_it_is:
            path = os.path.realpath(path)  # the link itself stays
        self._path = path
        folder, name = os.path.split(os.path.abspath(path))
        self._temp = f"{folder}/.{name[:200]}.{os.getpid()}.{id(self):x}.tmp"
        self._folder = folder
        self._descriptor = -1
        self._named = False  # the temporary name is there
        self.size = 0  # bytes written

    def __enter__(self) -> NewFile:
        try:
            self._descriptor = self._open()
        except OSError as error:
            raise failure(error, self._path) from error
        return self

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CLOEXEC
        if self._as_it_is:
            return os.open(self._path, flags)
        try:
            return os.open(self._folder, flags | os.O_TMPFILE, 0o666)
        except OSError as error:
            if error.errno not in _NO_NAMELESS:
                raise
        made = os.open(self._temp, flags | os.O_CREAT | os.O_EXCL, 0o666)
        self._named = True
        return made

    def write(self, data: bytes) -> int:
        """The next bytes; all of them."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise failure(error, self._path) from error
        self.size += len(data)
        return len(data)

    def commit(self) -> None:
        """The file has its name, and all that was written is on the disk."""
        if self._as_it_is:
            return
        try:
            os.fsync(self._descriptor)
            if not self._named:
                # Only with a descriptor of a folder, which it then does not look at, it follows the link.
                os.link(f"/proc/self/fd/{self._descriptor}", self._temp, src_dir_fd=self._descriptor)
                self._named = True
            os.replace(self._temp, self._path)
            self._named = False
        except OSError as error:
            raise failure(error, self._path) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._named:
            os.unlink(self._temp)
        os.close(self._descriptor)
