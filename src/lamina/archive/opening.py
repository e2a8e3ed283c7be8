"""From a path or a stream to the files of an archive: decompressed, in a nameless file where needed."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, BinaryIO, cast

from lamina.archive.compression import CHUNK, MAGIC_SIZE, decompressed, detect
from lamina.archive.files import Files, FolderFiles, TarFiles
from lamina.errors import Denied, InvalidInput, NoSpace, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable


def open_files(source: str | BinaryIO, spool: str) -> Files:
    """Opens an archive: the path of a folder or a tar, or a stream of a tar; either may be compressed.

    What cannot be sought in is first copied to a file without a name in the folder `spool`, which is gone
    when the archive is closed or the process ends.
    """
    if not isinstance(source, str):
        return _tar(spool_stream(decompressed(source)[0], spool))
    try:
        if stat.S_ISDIR(os.stat(source).st_mode):
            return FolderFiles(source)
        stream = cast("BinaryIO", open(source, "rb"))  # noqa: SIM115
    except FileNotFoundError as error:
        raise NotFound(f"open {source}: no such file or directory") from error
    except OSError as error:
        raise Denied(f"open {source}: {(error.strerror or '').lower()}") from error
    if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        head = stream.read(MAGIC_SIZE)
        stream.seek(0)
        if not detect(head):
            return _tar(stream)
    with stream:
        return _tar(spool_stream(decompressed(stream)[0], spool))


def _tar(stream: BinaryIO) -> TarFiles:
    try:
        return TarFiles(stream)
    except BaseException:
        stream.close()
        raise


def nameless(folder: str) -> BinaryIO:
    """A file in `folder` that has no name, so that no crash can leave it behind."""
    try:
        fd = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            raise Denied(f"cannot write in {folder}: {error.strerror}") from error
        import tempfile  # only on file systems without O_TMPFILE

        return cast("BinaryIO", tempfile.TemporaryFile(dir=folder))
    return cast("BinaryIO", open(fd, "w+b"))


def spool_stream(stream: BinaryIO, folder: str) -> BinaryIO:
    """Copies `stream` to a nameless file in `folder`, positioned at its start."""
    return spooled(folder, lambda write: _copy(stream, write))


def spooled(folder: str, fill: Callable[[Callable[[bytes], object]], object]) -> BinaryIO:
    """A nameless file with what `fill` wrote, positioned at its start."""
    out = nameless(folder)
    try:
        fill(out.write)
        out.flush()
    except OSError as error:
        out.close()
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = "free some space, `lamina prune`, or set LAMINA_ROOT to a folder on another disk"
            raise NoSpace(f"no space left in {folder} for a copy of the archive", hint=hint) from error
        raise InvalidInput(f"archive cannot be read: {error.strerror}") from error
    except BaseException:
        out.close()
        raise
    out.seek(0)
    return out


def _copy(stream: BinaryIO, write: Callable[[bytes], object]) -> None:
    while chunk := stream.read(CHUNK):
        write(chunk)


class Spools:
    """`with Spools(folder) as spools:` nameless files in a folder, gone at the end of the block."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._files: list[BinaryIO] = []

    def add(self, fill: Callable[[Callable[[bytes], object]], object]) -> Callable[[], BinaryIO]:
        """Makes a file of what `fill` writes; returns what opens it, any number of times."""
        made = spooled(self._folder, fill)
        self._files.append(made)
        return lambda: cast("BinaryIO", open(f"/proc/self/fd/{made.fileno()}", "rb"))

    def __enter__(self) -> Spools:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._files:
            each.close()
