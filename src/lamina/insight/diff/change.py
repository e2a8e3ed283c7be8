"""FileChange: how one path differs: content, mode, owner, link, xattrs and time, each apart. Pure."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.db.files import absolute
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from lamina.db.sidebyside import Pair
    from lamina.db.versions import Version

ADDED, CHANGED, DELETED = "A", "C", "D"
TYPE, CONTENT, MODE, OWNER, LINK, DEVICE, XATTR, TIME = (
    "type",
    "content",
    "mode",
    "owner",
    "link",
    "device",
    "xattr",
    "time",
)
_ROOT = Entry(b"", Kind.DIR)


class FileFacts(NamedTuple):
    """What there is at a path on one side. Other names of a file (hard links) are files, too."""

    type: str  # f, d, l, c, b, p or s, as find(1) has them
    mode: int  # permission bits: at most 0o7777
    uid: int
    gid: int
    size: int  # bytes
    mtime: int  # nanoseconds since 1970
    link: str  # target of a symbolic link
    device: str  # "major:minor"
    xattrs: dict[str, bytes]
    digest: str  # SHA-256 of the content in hex, "" where there is none
    layer: int  # which wrote it last, from 1, the bottom


class FileChange(NamedTuple):
    """One path. `what` differs of a changed one, in this order: type, or content, mode, owner, link, ..."""

    kind: str  # A, C or D as in `docker diff`
    path: str  # absolute; os.fsencode gives its bytes
    what: tuple[str, ...] = ()
    old: FileFacts | None = None
    new: FileFacts | None = None
    patch: str = ""  # where it was asked for: as `git diff` prints it; bytes that are no UTF-8 as os.fsdecode
    lines: tuple[int, int] | None = None  # added and deleted ones, where it was asked for and both are texts

    @property
    def only_time(self) -> bool:
        """Whether there is no difference but that of times."""
        return self.what == (TIME,)


def change_of(pair: Pair) -> FileChange | None:
    """What differs between the two sides of a path; None where nothing does that a process could see."""
    old, new = _entry(pair.old, pair.new, pair.path), _entry(pair.new, pair.old, pair.path)
    path = absolute(pair.path)
    before, after = _facts(old, pair.old), _facts(new, pair.new)
    if old is None or new is None:
        return FileChange(DELETED if new is None else ADDED, path, (), before, after)
    what = differing(old, new)
    return FileChange(CHANGED, path, what, before, after) if what else None


def differing(old: Entry, new: Entry) -> tuple[str, ...]:
    """Which fields differ. A file and another name of a file are the same kind of thing."""
    if shape(old) is not shape(new):
        return (TYPE,)
    is_link, is_file = new.kind is Kind.SYMLINK, shape(new) is Kind.FILE
    found = (
        (CONTENT, is_file and not _same_content(old, new)),
        (MODE, old.mode != new.mode and not is_link),
        (OWNER, (old.uid, old.gid) != (new.uid, new.gid)),
        (LINK, is_link and old.link != new.link),
        (DEVICE, old.rdev != new.rdev),
        (XATTR, old.xattrs != new.xattrs),
        (TIME, old.mtime != new.mtime),
    )
    return tuple([name for name, differs in found if differs])


def shape(entry: Entry) -> Kind:
    """The kind, with every name of a file being a FILE."""
    return Kind.FILE if entry.kind is Kind.HARDLINK else entry.kind


def facts_of(entry: Entry, layer: int) -> FileFacts:
    """An entry as it is shown; `layer` from 1."""
    kind = shape(entry)
    return FileFacts(
        str(kind),
        entry.mode,
        entry.uid,
        entry.gid,
        entry.size,
        entry.mtime,
        os.fsdecode(entry.link) if kind is Kind.SYMLINK else "",
        "{}:{}".format(*entry.rdev) if kind in (Kind.CHAR, Kind.BLOCK) else "",
        {os.fsdecode(name): value for name, value in entry.xattrs},
        entry.digest,
        layer,
    )


def _same_content(old: Entry, new: Entry) -> bool:
    return old.size == new.size and (old.digest == new.digest or not old.size)


def _entry(version: Version | None, other: Version | None, path: bytes) -> Entry | None:
    """The root is there, and as usual, where no layer says anything of it; of its time nobody knows."""
    if version is not None:
        return version.entry
    if path:
        return None
    return _ROOT._replace(mtime=other.entry.mtime) if other and other.entry else _ROOT


def _facts(entry: Entry | None, version: Version | None) -> FileFacts | None:
    return None if entry is None else facts_of(entry, version.layer + 1 if version else 0)
