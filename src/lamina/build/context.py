"""The build context: the folder that COPY and ADD read from, less what .dockerignore leaves out.

A folder is listed at most once, and only when a COPY asks for it; a file is read only when its size,
inode, mtime or ctime is not as the stat cache remembers. Links never lead out of the folder.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamina.build.beneath import Beneath
from lamina.db.contexts import Stat
from lamina.errors import Denied, InvalidInput, NotFound
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lamina.dockerfile.ignore import IgnoreFile

_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIR,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFCHR: Kind.CHAR,
    stat.S_IFBLK: Kind.BLOCK,
}
_SETTLED = 100_000_000  # nanoseconds after which a file system's clock has moved on from a file's times
_SETTLED_COARSE = 2_500_000_000  # the same where times are whole seconds
_READ = 1 << 20
_NOTHING = hashlib.sha256().hexdigest()


class Seen(NamedTuple):
    """One name in a listed folder."""

    entry: Entry
    stat: os.stat_result


class Context:
    """A Source over a folder of the host. Everything in it belongs to 0:0; modes are as on disk.

    `stats` is what the stat cache knows of this folder. `news()` says what it should learn.
    """

    def __init__(self, root: str, ignore: IgnoreFile | None, stats: Mapping[bytes, Stat]) -> None:
        self._beneath = Beneath(root)
        self._ignore = ignore
        self._stats = stats
        self._folders: dict[bytes, dict[bytes, Seen]] = {}
        self._seen: dict[bytes, Seen] = {}  # all that was listed, by path
        self._digests: dict[bytes, str] = {}
        self._changed: dict[bytes, Stat] = {}
        self._started = time.time_ns()

    def ignoring(self, ignore: IgnoreFile | None) -> Context:
        """The same folder, less what `ignore` leaves out; nothing of it is listed yet."""
        return Context(self._beneath.root, ignore, self._stats)

    def close(self) -> None:
        """Lets go of the folder; what was found out stays."""
        self._beneath.close()

    def get(self, path: bytes) -> Entry | None:
        """The entry at `path`; None when it is not there or .dockerignore leaves it out."""
        if not path:
            return Entry(b"", Kind.DIR)
        seen = self._find(path)
        return seen.entry if seen else None

    def children(self, path: bytes) -> Sequence[Entry]:
        """What a folder holds, sorted; a socket is an empty file, as BuildKit has it."""
        listed = self._list(path)
        return [listed[name].entry for name in sorted(listed)]

    def digest(self, entry: Entry) -> str:
        """SHA-256 of a file; it is read unless the stat cache knew it as it is."""
        if entry.digest:
            return entry.digest
        known = self._digests.get(entry.path)
        if known is None:
            known = self._digests[entry.path] = self._read_digest(entry)
        return known

    def open(self, entry: Entry) -> BinaryIO:
        """Opens a file that was listed; a link in its place, or on the way, is an error."""
        if not entry.size and self._is_socket(entry.path):
            return BytesIO()
        try:
            return os.fdopen(self._beneath.open_file(entry.path), "rb")
        except OSError as error:
            raise _explain(error, self.name(entry.path)) from None

    def _is_socket(self, path: bytes) -> bool:
        seen = self._seen.get(path)
        return seen is not None and stat.S_ISSOCK(seen.stat.st_mode)

    def name(self, path: bytes) -> str:
        """A path of the context as the host knows it."""
        return os.path.join(self._beneath.root, os.fsdecode(path))

    def identity(self, entry: Entry) -> tuple[int, int] | None:
        """Device and inode of a file that has several names."""
        seen = self._seen.get(entry.path)
        if seen is None or seen.stat.st_nlink < 2:
            return None
        return seen.stat.st_dev, seen.stat.st_ino

    def news(self) -> tuple[dict[bytes, Stat], list[bytes]]:
        """What changed against the stat cache: (path -> Stat to remember, paths to forget)."""
        gone = [
            path
            for path in self._stats
            if path not in self._seen and path.rpartition(b"/")[0] in self._folders
        ]
        return self._changed, gone

    def is_ignored(self, path: bytes) -> bool:
        """Whether something is on disk at `path` that .dockerignore leaves out."""
        return self._ignore is not None and os.path.lexists(self.name(path)) and self.get(path) is None

    def _find(self, path: bytes) -> Seen | None:
        """What is at `path`, listing the folders on the way that were not listed yet."""
        seen = self._seen.get(path)
        if seen is None:
            folder = path.rpartition(b"/")[0]
            above = self._find(folder) if folder else None
            if folder not in self._folders and (not folder or (above and above.entry.kind is Kind.DIR)):
                self._list(folder)
                seen = self._seen.get(path)
        return seen

    def _list(self, folder: bytes) -> dict[bytes, Seen]:
        listed = self._folders.get(folder)
        if listed is None:
            listed = self._folders[folder] = self._scan(folder)
        return listed

    def _scan(self, folder: bytes) -> dict[bytes, Seen]:
        listed: dict[bytes, Seen] = {}
        prefix = folder + b"/" if folder else b""
        try:
            with os.scandir(self._beneath.folder(folder)) as names:
                found = [(os.fsencode(item.name), item.stat(follow_symlinks=False)) for item in names]
            for name, status in found:
                seen = self._look(folder, name, prefix + name, status)
                if seen:
                    listed[name] = self._seen[prefix + name] = seen
        except OSError as error:
            raise _explain(error, self.name(folder)) from None
        return listed

    def _look(self, folder: bytes, name: bytes, path: bytes, found: os.stat_result) -> Seen | None:
        mode = found.st_mode
        kind = _KINDS.get(stat.S_IFMT(mode))
        if stat.S_ISSOCK(mode):
            entry = Entry(path, Kind.FILE, mode & 0o7777, mtime=found.st_mtime_ns, digest=_NOTHING)
            return None if self._ignore is not None and self._leaves_out(path, False) else Seen(entry, found)
        if kind is None or (self._ignore is not None and self._leaves_out(path, kind is Kind.DIR)):
            return None
        if kind is Kind.FILE:
            digest = self._remembered(path, found)
            xattrs = () if digest else self._xattrs(folder, name)  # no file with xattrs is remembered
            entry = Entry(
                path,
                kind,
                mode & 0o7777,
                0,
                0,
                found.st_size,
                found.st_mtime_ns,
                xattrs=xattrs,
                digest=digest,
            )
        elif kind is Kind.SYMLINK:
            link = os.readlink(name, dir_fd=self._beneath.folder(folder))
            entry = Entry(path, kind, 0o777, mtime=found.st_mtime_ns, link=link)
        else:
            rdev = (os.major(found.st_rdev), os.minor(found.st_rdev)) if found.st_rdev else (0, 0)
            xattrs = self._xattrs(folder, name) if kind is Kind.DIR else ()
            entry = Entry(path, kind, mode & 0o7777, mtime=found.st_mtime_ns, rdev=rdev, xattrs=xattrs)
        return Seen(entry, found)

    def _leaves_out(self, path: bytes, is_folder: bool) -> bool:
        """.dockerignore's answer; a folder it names stays when a `!` pattern brings back something in it."""
        assert self._ignore is not None
        name = os.fsdecode(path)
        if not self._ignore.matches(name, is_folder):
            return False
        return not (is_folder and self._ignore.may_contain(name) and self._list(path))

    def _xattrs(self, folder: bytes, name: bytes) -> tuple[tuple[bytes, bytes], ...]:
        """security.capability and user.*"""
        path = b"/proc/self/fd/%d/%b" % (self._beneath.folder(folder), name)
        try:
            names = os.listxattr(path, follow_symlinks=False)
            if not names:
                return ()
            kept = sorted(n for n in names if n == "security.capability" or n.startswith("user."))
            return tuple([(os.fsencode(n), os.getxattr(path, n, follow_symlinks=False)) for n in kept])
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.ENODATA):
                return ()
            raise

    def _remembered(self, path: bytes, found: os.stat_result) -> str:
        """The digest of a file that stands as it did when it was hashed; else ""."""
        known = self._stats.get(path)
        if (
            known is not None
            and known[2] == found.st_mtime_ns
            and known[3] == found.st_ctime_ns
            and known[0] == found.st_size
            and known[1] == found.st_ino
        ):
            return known.digest
        return ""

    def _read_digest(self, entry: Entry) -> str:
        digest, size = self._hash(entry.path)
        if size != entry.size:
            raise InvalidInput(f"{self.name(entry.path)} changed while the build read it")
        found = self._seen[entry.path].stat
        if not entry.xattrs and self._is_settled(found):
            self._changed[entry.path] = Stat(
                found.st_size,
                found.st_ino,
                found.st_mtime_ns,
                found.st_ctime_ns,
                found.st_mode,
                found.st_uid,
                found.st_gid,
                digest,
            )
        return digest

    def _is_settled(self, found: os.stat_result) -> bool:
        """False for a file so new that it could change again without its times showing it."""
        newest = max(found.st_mtime_ns, found.st_ctime_ns)
        return newest < self._started - (_SETTLED if newest % 1_000_000_000 else _SETTLED_COARSE)

    def _hash(self, path: bytes) -> tuple[str, int]:
        hasher = hashlib.sha256()
        size = 0
        try:
            fd = self._beneath.file(path)
            try:
                while data := os.read(fd, _READ):
                    hasher.update(data)
                    size += len(data)
            finally:
                os.close(fd)
        except OSError as error:
            raise _explain(error, self.name(path)) from None
        return hasher.hexdigest(), size


def _explain(error: OSError, name: str) -> Denied | NotFound | InvalidInput:
    """What went wrong with a file of the context, as one of our errors."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return Denied(
            f"cannot read {name} of the build context: {error.strerror}",
            hint="make it readable, or leave it out with a line in .dockerignore",
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return NotFound(f"{name} went away while the build read it")
    return InvalidInput(f"cannot read {name} of the build context: {error.strerror}")
