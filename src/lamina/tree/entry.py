"""Entry: one file, folder, link, device or deletion in a layer or in a merged tree."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What an Entry is; one letter each, as in the database."""

    FILE = "f"
    DIR = "d"
    SYMLINK = "l"
    HARDLINK = "h"  # another name of the FILE at `link`, in the same layer
    CHAR = "c"
    BLOCK = "b"
    FIFO = "p"
    SOCKET = "s"  # seen in a writable layer, never written to a tar
    WHITEOUT = "w"  # the path, and all below it, is deleted from the layers below


FILES = (Kind.FILE, Kind.HARDLINK)  # what has content: every name of a file

WORDS = {
    Kind.FILE: "file",
    Kind.DIR: "folder",
    Kind.SYMLINK: "link",
    Kind.HARDLINK: "file",  # as good a name of it as any other
    Kind.CHAR: "character device",
    Kind.BLOCK: "block device",
    Kind.FIFO: "pipe",
    Kind.SOCKET: "socket",
    Kind.WHITEOUT: "whiteout",
}


class Entry(NamedTuple):
    """One path of a layer.

    `path` is bytes as on disk: relative, no leading or trailing `/`, no `.` or `..`; b"" is the root.
    `mtime` is in nanoseconds since 1970. `xattrs` is sorted by name. `digest` is the SHA-256 of a
    file's content in hex, "" where there is none or it is not known yet.
    """

    path: bytes
    kind: Kind
    mode: int = 0o755  # permission bits with setuid, setgid and sticky: at most 0o7777
    uid: int = 0
    gid: int = 0
    size: int = 0  # content of a FILE (and of the file a HARDLINK names), else 0
    mtime: int = 0
    link: bytes = b""  # target of a SYMLINK as written; path of the FILE for a HARDLINK
    rdev: tuple[int, int] = (0, 0)  # major, minor of CHAR and BLOCK
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    digest: str = ""
    opaque: bool = False  # a DIR that hides what the layers below have in it
