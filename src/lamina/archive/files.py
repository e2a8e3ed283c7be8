"""The files of an archive by name, whether it is a folder or a tar. Nothing is unpacked."""

from __future__ import annotations

import io
import os
import stat
from typing import BinaryIO, NamedTuple, Protocol, cast

from lamina.errors import Denied, InvalidInput
from lamina.tree.entry import Kind
from lamina.tree.tar.limits import Limits
from lamina.tree.tar.read import read_tar

MAX_JSON = 8 << 20  # bytes of any JSON document in an archive
_MAX_FILES = 100_000
_MAX_LINKS = 8


class Files(Protocol):
    """Names use "/" and are relative; a name that is not there, or no regular file, is InvalidInput."""

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""

    def size(self, name: str) -> int:
        """Bytes in the file."""

    def open(self, name: str) -> BinaryIO:
        """The file's content, from its start."""

    def close(self) -> None:
        """Gives back what reading needs; what was opened may no longer be read."""


def read_small(files: Files, name: str, limit: int = MAX_JSON) -> bytes:
    """The whole of a file that must not be larger than `limit` bytes."""
    size = files.size(name)
    if size > limit:
        raise InvalidInput(
            f"archive: {name} has {size} bytes, more than the {limit} that such a file may have"
        )
    with files.open(name) as stream:
        data = stream.read(size)
    if len(data) != size:
        raise InvalidInput(f"archive: {name} is truncated")
    return data


def check_name(name: object) -> str:
    """Returns the name of a file as written in a JSON document, if it stays inside the archive."""
    if not isinstance(name, str) or not 0 < len(name) <= 4096 or "\0" in name:
        raise InvalidInput(f"archive: {str(name)[:100]!r} is not the name of a file")
    if name.startswith("/") or ".." in name.split("/"):
        raise InvalidInput(f"archive: {name[:100]!r} leads out of the archive")
    return name


class FolderFiles(Files):
    """The files below a folder. Links are not followed: an image layout has none."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def has(self, name: str) -> bool:
        try:
            self.open(name).close()
        except InvalidInput:
            return False
        return True

    def size(self, name: str) -> int:
        with self.open(name) as stream:
            return os.fstat(stream.fileno()).st_size

    def open(self, name: str) -> BinaryIO:
        """Opens part by part, so that no part can be a link."""
        folder = self._fd
        parts = check_name(name).split("/")
        try:
            for part in parts[:-1]:
                inner = os.open(
                    part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder
                )
                self._leave(folder)
                folder = inner
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            fd = os.open(parts[-1], flags, dir_fd=folder)
        except PermissionError as error:
            raise Denied(f"cannot read {self._path}/{name}: {error.strerror}") from error
        except OSError as error:
            raise InvalidInput(f"archive: cannot open {name}: {error.strerror}") from error
        finally:
            self._leave(folder)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise InvalidInput(f"archive: {name} is not a regular file")
        return cast("BinaryIO", open(fd, "rb", buffering=0))

    def _leave(self, folder: int) -> None:
        if folder != self._fd:
            os.close(folder)

    def close(self) -> None:
        os.close(self._fd)


class _Member(NamedTuple):
    """A file in a tar: where its bytes are, or the name that it links to."""

    offset: int
    size: int
    link: str


class TarFiles(Files):
    """The files in an uncompressed tar that can be sought in. One pass over the headers when it is made."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._members = _index(stream)

    def has(self, name: str) -> bool:
        return self._find(name) is not None

    def size(self, name: str) -> int:
        return self._member(name).size

    def open(self, name: str) -> BinaryIO:
        member = self._member(name)
        return cast(
            "BinaryIO", io.BufferedReader(_Part(self._stream.fileno(), member.offset, member.size), 1 << 18)
        )

    def close(self) -> None:
        self._stream.close()

    def _member(self, name: str) -> _Member:
        member = self._find(name)
        if member is None:
            raise InvalidInput(f"archive: {name} is missing")
        return member

    def _find(self, name: str) -> _Member | None:
        """Docker 20.10 writes a layer that it wrote before as a link ../ID/layer.tar."""
        for _ in range(_MAX_LINKS):
            member = self._members.get(name)
            if member is None or not member.link:
                return member
            name = member.link
        raise InvalidInput(f"archive: {name} is a chain of more than {_MAX_LINKS} links")


def _index(stream: BinaryIO) -> dict[str, _Member]:
    members: dict[str, _Member] = {}
    for record in read_tar(stream, limits=Limits(entries=_MAX_FILES)):
        entry = record.entry
        name = os.fsdecode(entry.path)
        if entry.kind is Kind.DIR:
            continue
        if entry.kind is Kind.FILE:
            member = _Member(stream.tell(), entry.size, "")
        elif entry.kind is Kind.HARDLINK:
            member = _Member(0, 0, os.fsdecode(entry.link))
        elif entry.kind is Kind.SYMLINK:
            member = _Member(0, 0, _link_target(name, os.fsdecode(entry.link)))
        else:
            continue  # no image archive has any; the tar of a file system does
        if name in members:
            raise InvalidInput(f"archive: {name} is there twice")
        members[name] = member
    return members


def _link_target(name: str, link: str) -> str:
    """Where a symbolic link leads, by name alone; it may not leave the archive."""
    target = os.path.normpath(os.path.join(os.path.dirname(name), link))
    if target.startswith(("/", "../")) or target in ("..", "."):
        raise InvalidInput(f"archive: the link {name} leads out of the archive")
    return target


class _Part(io.RawIOBase):
    """A part of a file, read by position: several may be open at once."""

    def __init__(self, fd: int, offset: int, size: int) -> None:
        self._fd = fd
        self._at = offset
        self._end = offset + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast("bytearray", buffer)).cast("B")
        n = os.preadv(self._fd, [view[: self._end - self._at]], self._at) if self._at < self._end else 0
        if n == 0 and self._at < self._end:
            raise InvalidInput("archive is truncated")
        self._at += n
        return n
