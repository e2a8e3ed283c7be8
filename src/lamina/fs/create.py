"""Builder: writes entries below a fresh folder, in overlay's own format.

    with Builder(folder) as builder:
        builder.put(Entry(b"etc", Kind.DIR))
        digest = builder.put(Entry(b"etc/hosts", Kind.FILE, 0o644, size=9), b"127.0.0.1")
        builder.put(Entry(b"etc/passwd", Kind.WHITEOUT))
        builder.finish()

Paths are canonical: links in them were resolved by the caller, and here a link on the way is an error.
Entries come in any order (a hard link after its file); neighbours that share a folder go fastest. Nothing is
synced. When something fails the folder is half-made and the caller removes it.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, BinaryIO

from lamina.errors import Denied, InvalidInput
from lamina.fs.content import write_content
from lamina.fs.copy import Copier
from lamina.fs.entries import Entries
from lamina.fs.failures import failure, shown
from lamina.fs.folders import Folders
from lamina.fs.stamp import Stamp
from lamina.fs.whiteouts import Whiteouts
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lamina.fs.entries import Place

    Content = bytes | BinaryIO | Iterable[bytes]
    _Maker = Callable[[Entry, bytes, int], None]

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_NOT_NAMES = frozenset({b"", b".", b".."})
_BARE = Entry(b"", Kind.WHITEOUT, 0)
_ROOM = 8 << 20  # bytes of folders that stay in memory


class Builder:
    """Writes entries below one folder; not for use by two threads at once."""

    def __init__(self, root: str, *, plain_whiteouts: bool = False, place: Place | None = None) -> None:
        """`root` is made when it is missing, and should be empty.

        `plain_whiteouts` writes deletions in their second form even where devices can be made. `place` is
        for what is too much for the memory (fs.entries).
        """
        try:
            if not os.path.isdir(root):
                os.mkdir(root, 0o700)
            self._folders = Folders(root)
        except OSError as error:
            raise failure(error, root) from error
        self._links: Folders | None = None  # a second way down, for the files that hard links name
        self._stamp = Stamp()
        self._copier = Copier()
        self._whiteouts = Whiteouts(plain=plain_whiteouts)
        # Folders get their mode and time at the end, when nothing is made in them any more.
        self._made = Entries(place, _ROOM)
        self._made.put(Entry(b"", Kind.DIR))
        self._deleted = Entries(place, _ROOM)  # for each folder in which something was deleted, one deletion

    def put(self, entry: Entry, content: Content | None = None) -> str:
        """Makes `entry`; returns the SHA-256 of a FILE's content in hex, "" for anything else.

        `content` is the bytes of a FILE, an open file, or chunks; runs of zeros become holes. Folders on
        the way that were not put are made with mode 0755, owner 0:0, time 0. An entry for a path that is
        there already takes its place, a folder's only its metadata. A folder and a whiteout at one path
        are an opaque folder: a whiteout is about the layers below. The entry b"" is the root folder.

        InvalidInput when the path is not canonical, when a folder and a file share one path, when the
        content is not `size` bytes long or a hard link names nothing; Denied for devices without root.
        """
        try:
            return self._put(entry, content)
        except OSError as error:
            raise failure(error, entry.path) from error

    def copy(self, entry: Entry, source: int) -> None:
        """Makes the FILE `entry` from the open file `source`: blocks shared if possible, nothing hashed.

        The size is what `source` has, not what `entry` says.
        """
        try:
            parent, name = self._place(entry.path)
            self._write_copy(entry, name, self._folder(parent), source)
        except OSError as error:
            raise failure(error, entry.path) from error

    def adopt(self, entry: Entry, folder: int) -> None:
        """Moves the file that has `entry`'s name in the open folder `folder` here; its metadata stays."""
        try:
            parent, name = self._place(entry.path)
            os.rename(name, name, src_dir_fd=folder, dst_dir_fd=self._folder(parent))
        except OSError as error:
            raise failure(error, entry.path) from error

    def finish(self) -> None:
        """Gives all folders their metadata. Call it once, last."""
        for entry in reversed(self._made):  # those below first: a shut folder stays passable
            try:
                self._finish_folder(self._folders.fd(entry.path), entry)
            except OSError as error:
                raise failure(error, entry.path) from error
        self.close()

    def close(self) -> None:
        """Closes all descriptors, finished or not."""
        self._folders.close()
        self._made.close()
        self._deleted.close()
        if self._links is not None:
            self._links.close()
            self._links = None

    def __enter__(self) -> Builder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(self, entry: Entry, content: Content | None) -> str:
        path, kind = entry.path, entry.kind
        if not path:
            if kind is not Kind.DIR:
                raise InvalidInput(f"the root of a layer is a folder, not {kind.name.lower()}")
            self._made.put(entry)
            return ""
        parent, name = self._place(path)
        folder = self._folder(parent)
        if kind is Kind.FILE:
            return self._write_file(entry, name, folder, content)
        if kind is Kind.DIR:
            self._make_folder(entry, name, folder)
        elif kind is Kind.WHITEOUT:
            self._delete(path, name, folder, parent)
        else:
            self._again(self._make_other, entry, name, folder)
        return ""

    def _place(self, path: bytes) -> tuple[bytes, bytes]:
        """Folder and name of a path that is canonical."""
        if not _NOT_NAMES.isdisjoint(path.split(b"/")) or b"\0" in path:
            raise InvalidInput(f"not a path inside a layer: {shown(path)[:200]!r}")
        parent, _, name = path.rpartition(b"/")
        return parent, name

    def _folder(self, path: bytes) -> int:
        """A descriptor of the folder at `path`, made if need be with what is above it."""
        if path == self._folders.path:
            return self._folders.fd(path)
        if path not in self._made:
            missing = [path]
            while (path := path.rpartition(b"/")[0]) not in self._made:
                missing.append(path)
            for path in reversed(missing):
                parent, _, name = path.rpartition(b"/")
                deleted = self._mkdir(path, name, self._folders.fd(parent))
                self._made.put(Entry(path, Kind.DIR, opaque=deleted))
        return self._folders.fd(path)

    def _make_folder(self, entry: Entry, name: bytes, folder: int) -> None:
        opaque = entry.opaque
        old = self._made.get(entry.path)
        opaque |= self._mkdir(entry.path, name, folder) if old is None else old.opaque
        self._made.put(entry._replace(opaque=opaque) if opaque != entry.opaque else entry)

    def _mkdir(self, path: bytes, name: bytes, folder: int) -> bool:
        """Makes a folder; returns whether the layers below must not show in it."""
        try:
            os.mkdir(name, 0o700, dir_fd=folder)
            return False
        except FileExistsError:
            if not self._whiteouts.is_one(folder, name):
                raise InvalidInput(f"{shown(path)} is a folder and something else in one layer") from None
        os.unlink(name, dir_fd=folder)
        os.mkdir(name, 0o700, dir_fd=folder)
        return True

    def _write_file(self, entry: Entry, name: bytes, folder: int, content: Content | None) -> str:
        fd = self._create(name, folder, entry.path)
        try:
            size, digest = write_content(fd, b"" if content is None else content)
            if size != entry.size:
                raise InvalidInput(
                    f"{shown(entry.path)}: {size} bytes where {entry.size} were announced",
                    hint="did the file change while it was read?",
                )
            self._stamp.open_file(fd, entry)
        finally:
            os.close(fd)
        return digest

    def _write_copy(self, entry: Entry, name: bytes, folder: int, source: int) -> None:
        fd = self._create(name, folder, entry.path)
        try:
            self._copier.copy(source, fd)
            self._stamp.open_file(fd, entry)
        finally:
            os.close(fd)

    def _create(self, name: bytes, folder: int, path: bytes) -> int:
        try:
            return os.open(name, _NEW_FILE, 0o600, dir_fd=folder)
        except FileExistsError:
            self._take_away(name, folder, path)
            return os.open(name, _NEW_FILE, 0o600, dir_fd=folder)

    def _again(self, make: _Maker, entry: Entry, name: bytes, folder: int) -> None:
        """Makes something that has no content, in place of what is there."""
        try:
            make(entry, name, folder)
        except FileExistsError:
            self._take_away(name, folder, entry.path)
            make(entry, name, folder)

    def _take_away(self, name: bytes, folder: int, path: bytes) -> None:
        if path in self._made:
            raise InvalidInput(f"{shown(path)} is a folder and something else in one layer")
        os.unlink(name, dir_fd=folder)

    def _make_other(self, entry: Entry, name: bytes, folder: int) -> None:
        kind = entry.kind
        if kind is Kind.HARDLINK:
            self._make_hard_link(entry, name, folder)
        elif kind is Kind.SYMLINK:
            if not entry.link:
                raise InvalidInput(f"{shown(entry.path)}: a symbolic link without a target")
            os.symlink(entry.link, name, dir_fd=folder)
            self._stamp.name(name, folder, entry, mode=False)
        else:
            self._make_node(entry, name, folder)
            self._stamp.name(name, folder, entry, mode=True)

    def _make_hard_link(self, entry: Entry, name: bytes, folder: int) -> None:
        parent, target = self._place(entry.link)
        if self._links is None:
            self._links = Folders(self._folders.root)
        try:
            source = self._links.fd(parent)
            if stat.S_ISDIR(os.stat(target, dir_fd=source, follow_symlinks=False).st_mode):
                raise InvalidInput(f"{shown(entry.path)}: a hard link to the folder {shown(entry.link)}")
            if parent in self._deleted and self._whiteouts.is_one(source, target):
                raise FileNotFoundError
            if entry.link != entry.path:
                os.link(target, name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            raise InvalidInput(
                f"{shown(entry.path)}: a hard link to {shown(entry.link)}, which this layer does not have"
            ) from None

    def _make_node(self, entry: Entry, name: bytes, folder: int) -> None:
        """Makes a device, a pipe or a socket."""
        device = 0
        if entry.kind is Kind.FIFO:
            kind = stat.S_IFIFO
        elif entry.kind is Kind.SOCKET:
            kind = stat.S_IFSOCK
        else:
            kind = stat.S_IFCHR if entry.kind is Kind.CHAR else stat.S_IFBLK
            device = _device(entry)
        try:
            os.mknod(name, kind | 0o600, device, dir_fd=folder)
        except PermissionError:
            raise Denied(
                f"{shown(entry.path)} is a device node, and making it needs root",
                hint="do this as root, or leave the device out: Lamina gives containers their own /dev",
            ) from None

    def _delete(self, path: bytes, name: bytes, folder: int, parent: bytes) -> None:
        """Writes a whiteout, or what it means for a folder that this layer has at the same path."""
        made = self._made.get(path)
        if made is not None:
            self._made.put(made._replace(opaque=True))
            return
        # Where something has the name, it hides what the layers below have.
        if self._whiteouts.delete(folder, name) and parent not in self._deleted:
            self._deleted.put(_BARE._replace(path=parent))

    def _finish_folder(self, fd: int, entry: Entry) -> None:
        deleted = self._whiteouts.names(fd) if entry.path in self._deleted else iter(())
        if entry.opaque:
            # Nothing below shows anyway, and the kernel does not look for whiteouts in here.
            for name in deleted:
                os.unlink(name, dir_fd=fd)
            self._whiteouts.mark_opaque(fd)
        elif next(deleted, None) is not None:
            self._whiteouts.mark(fd)
        self._stamp.open_file(fd, entry)


def _device(entry: Entry) -> int:
    major, minor = entry.rdev
    if not (0 <= major < 2**12 and 0 <= minor < 2**20):
        raise InvalidInput(f"{shown(entry.path)}: no such device: {major}:{minor}")
    if entry.kind is Kind.CHAR and major == 0 and minor == 0:
        raise InvalidInput(f"{shown(entry.path)}: the device 0:0 stands for a deletion in a layer")
    return os.makedev(major, minor)
