"""scan: a folder on disk as a sorted list of entries, in overlay's reading of it.

    for entry in walk.scan(folder):                      # metadata only: no file is opened
    for entry in walk.scan(folder, read=walk.sha256):    # with entry.digest
    for entry, info in walk.scan_stat(folder):           # with the inode, for those who compare later

`read` is called with each FILE and its open descriptor, in the order of the paths, just before the entry is
yielded; what it returns becomes the digest. A caller that hashes a tar at the same time does both in it.

No link is followed, neither at the end of a path nor on the way to it, so a tree that a process is changing
meanwhile can be read; what vanishes meanwhile is left out.
"""

from __future__ import annotations

import os
import stat
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from lamina.fs import xattr
from lamina.fs.failures import failure
from lamina.fs.folders import Folders
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.fs.xattr import Xattrs

    Reader = Callable[[Entry, int], str]

BLOCK = 1024 * 1024  # bytes read at a time

_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIR,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHAR,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFSOCK: Kind.SOCKET,
}


class Node(NamedTuple):
    """One path as the disk has it."""

    path: bytes
    stat: os.stat_result
    xattrs: Xattrs  # those that belong to the file
    mark: str = ""  # overlay's own: "whiteout" or "opaque"


def scan(root: str, *, read: Reader | None = None) -> Iterator[Entry]:
    """The entries of the folder `root`, sorted by path; the first one, with path b"", is `root` itself.

    Of files that are hard links of each other the first is a FILE and the others are HARDLINKs with the
    same metadata. Both forms of whiteouts are WHITEOUTs, a folder marked opaque has `opaque`. Sockets are
    reported. Overlay's own attributes are not.
    """
    for entry, _ in scan_stat(root, read=read):
        yield entry


def scan_stat(root: str, *, read: Reader | None = None) -> Iterator[tuple[Entry, os.stat_result]]:
    """As scan(), each entry with what the disk knows about it: inode, ctime, blocks."""
    firsts: dict[tuple[int, int], Entry] = {}
    with _opened(root) as folders:
        for node in sorted(_walk(folders), key=itemgetter(0)):
            entry = _entry(node, folders)
            if entry is not None and entry.kind is Kind.FILE:
                entry = _file(entry, node.stat, firsts, folders, read)
            if entry is not None:
                yield entry, node.stat


def root_entry(root: str) -> Entry:
    """The entry of the folder `root` alone, with path b""."""
    with _opened(root) as folders:
        entry = _entry(_root(folders, xattr.overlay_prefix()), folders)
        assert entry is not None  # only links can vanish between two looks
        return entry


def sha256(entry: Entry, fd: int) -> str:
    """Reads the open file to its end; its SHA-256 in hex."""
    import hashlib  # not needed for a scan of metadata

    digest = hashlib.sha256()
    while chunk := os.read(fd, BLOCK):
        digest.update(chunk)
    return digest.hexdigest()


def _entry(node: Node, folders: Folders) -> Entry | None:
    """The Entry of `node`: digest empty, a hard link still a FILE. None when a link vanished."""
    path, info, xattrs, mark = node
    kind = _KINDS[stat.S_IFMT(info.st_mode)]
    if mark == "whiteout" or (kind is Kind.CHAR and info.st_rdev == 0):
        return Entry(path, Kind.WHITEOUT)
    link = b""
    rdev = (0, 0)
    if kind is Kind.SYMLINK:
        target = _target(path, folders)
        if target is None:
            return None
        link = target
    elif kind is Kind.CHAR or kind is Kind.BLOCK:
        rdev = (os.major(info.st_rdev), os.minor(info.st_rdev))
    size = info.st_size if kind is Kind.FILE else 0
    mode = stat.S_IMODE(info.st_mode)
    mtime = info.st_mtime_ns
    return Entry(
        path, kind, mode, info.st_uid, info.st_gid, size, mtime, link, rdev, xattrs, "", mark == "opaque"
    )


def _opened(root: str) -> Folders:
    try:
        return Folders(root)
    except OSError as error:
        raise failure(error, root) from error


def _walk(folders: Folders) -> Iterator[Node]:
    """All nodes, each folder's own before what is in it; the order is otherwise the disk's."""
    prefix = xattr.overlay_prefix()
    todo = [b""]
    yield _root(folders, prefix)
    while todo:
        folder = todo.pop()
        try:
            fd = folders.fd(folder)
            with os.scandir(fd) as items:
                for item in items:
                    node = _node(folder, fd, item, prefix)
                    if node is None:
                        continue
                    yield node
                    if stat.S_ISDIR(node.stat.st_mode):
                        todo.append(node.path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise failure(error, folder) from error


def _root(folders: Folders, prefix: str) -> Node:
    fd = folders.fd(b"")
    names = xattr.names_of(fd)
    return Node(b"", os.fstat(fd), xattr.values(fd, names), _mark(fd, names, prefix))


def _node(folder: bytes, fd: int, item: os.DirEntry[str], prefix: str) -> Node | None:
    """One item of a folder; None when it vanished."""
    name = os.fsencode(item.name)
    path = folder + b"/" + name if folder else name
    try:
        info = item.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    # Nothing else than files and folders can have attributes that we keep: spare the system call.
    if stat.S_IFMT(info.st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
        return Node(path, info, ())
    # By the descriptor: links on the way cannot lead astray, and the path is never too long.
    where = b"/proc/self/fd/%d/%b" % (fd, name)
    names = xattr.names_of(where)
    if not names:
        return Node(path, info, ())
    return Node(path, info, xattr.values(where, names), _mark(where, names, prefix))


def _mark(where: bytes | int, names: list[str], prefix: str) -> str:
    if prefix + "whiteout" in names:
        return "whiteout"
    if prefix + "opaque" in names and xattr.get(where, prefix + "opaque") == b"y":
        return "opaque"
    return ""


def _target(path: bytes, folders: Folders) -> bytes | None:
    parent, _, name = path.rpartition(b"/")
    try:
        return os.readlink(name, dir_fd=folders.fd(parent))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise failure(error, path) from error


def _file(
    entry: Entry,
    info: os.stat_result,
    firsts: dict[tuple[int, int], Entry],
    folders: Folders,
    read: Reader | None,
) -> Entry | None:
    """The FILE with its digest, or the HARDLINK to a file that came before; None when it vanished."""
    key = (info.st_dev, info.st_ino)
    if info.st_nlink > 1 and (first := firsts.get(key)) is not None:
        return first._replace(path=entry.path, kind=Kind.HARDLINK, link=first.path)
    if read is not None:
        digest = _read(entry, folders, read)
        if digest is None:
            return None
        entry = entry._replace(digest=digest)
    if info.st_nlink > 1:
        firsts[key] = entry
    return entry


def _read(entry: Entry, folders: Folders, read: Reader) -> str | None:
    try:
        fd = open_file(folders, entry.path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise failure(error, entry.path) from error
    try:
        return read(entry, fd)
    except OSError as error:
        raise failure(error, entry.path) from error
    finally:
        os.close(fd)


def open_file(folders: Folders, path: bytes) -> int:
    """A descriptor for reading the file at `path`, never that of a link, and never waiting for a pipe."""
    parent, _, name = path.rpartition(b"/")
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folders.fd(parent))
