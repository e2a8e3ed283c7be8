"""The streams of the blob store: bytes on their way in, and on their way out."""

from __future__ import annotations

import hashlib
import io
import os
from typing import TYPE_CHECKING, cast

from lamina.errors import Corrupt, NotFound
from lamina.oci.digest import Digest, hex_of
from lamina.store.guard import guard
from lamina.store.sync import fsync_dir

if TYPE_CHECKING:
    from lamina.store.blobs import BlobStore
    from lamina.store.layout import Layout
    from lamina.store.lock import NameLock

_SMALL = 1 << 20  # a blob of up to so many bytes is read again when it is put again


class BlobWriter:
    """Takes one blob in pieces; made by BlobStore.writer, used in a `with` block."""

    __slots__ = (
        "_descriptor",
        "_expected",
        "_hash",
        "_layout",
        "_lock",
        "_store",
        "_temp",
        "present",
        "size",
    )

    def __init__(self, store: BlobStore, layout: Layout, temp: str, expected: Digest | None) -> None:
        self._store = store
        self._layout = layout
        self._temp = f"{layout.blobs}/{temp}"
        self._expected = expected
        self._hash = hashlib.sha256()
        self._descriptor = -1
        self._lock: NameLock | None = None
        self.size = 0  # bytes written so far
        self.present = False  # the expected blob is there already

    def __enter__(self) -> BlobWriter:
        if self._expected is not None:
            self._enter_shared(self._expected)
        if not self.present:
            try:
                with guard(self._temp):
                    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                    self._descriptor = os.open(self._temp, flags, 0o444)
            except BaseException:
                self._unlock()
                raise
        return self

    def _enter_shared(self, expected: Digest) -> None:
        from lamina.store.lock import NameLock  # spares fcntl set-up where nothing is received

        self._lock = NameLock(self._layout, hex_of(expected))
        self._lock.__enter__()
        try:
            self.present = self._store.touch(expected)
        except BaseException:
            self._unlock()
            raise

    @property
    def path(self) -> str:
        """The file that takes the bytes; it has this name until the block ends."""
        return self._temp

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Takes the next bytes, all of them. NoSpace, Denied."""
        self._hash.update(data)
        view = memoryview(data)
        with guard(self._temp):
            while view:
                view = view[os.write(self._descriptor, view) :]
        self.size += len(data)
        return len(data)

    def restart(self) -> None:
        """Forgets what was written: the blob comes all over again."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._hash = hashlib.sha256()
        self.size = 0

    def commit(self, expected: Digest | None = None, size: int | None = None) -> Digest:
        """Ends the blob: afterwards it is there, and on disk. Corrupt when not `expected` or `size`."""
        wanted = expected or self._expected
        if self.present and wanted is not None:
            return wanted
        digest = Digest("sha256:" + self._hash.hexdigest())
        if size is not None and size != self.size:
            raise Corrupt(f"blob {wanted or digest} should have {size} bytes, and has {self.size}")
        if wanted is not None and digest != wanted:
            raise Corrupt(f"a blob's bytes are {digest}, and should be {wanted}")
        with guard(self._temp):
            os.fsync(self._descriptor)
            self._adopt(digest)
        return digest

    def _adopt(self, digest: Digest) -> None:
        """Gives the synced file the blob's name, or leaves it for the equal one that is there."""
        path = self._store.path(digest)
        while True:
            try:
                os.link(self._temp, path)
                break
            except FileExistsError:
                if not self._sound(digest):
                    os.replace(self._temp, path)  # heals a blob that rotted
                    break
                if self._store.touch(digest):
                    break
            except PermissionError:  # a file system without hard links
                os.replace(self._temp, path)
                break
        fsync_dir(self._layout.blobs)

    def _sound(self, digest: Digest) -> bool:
        """Whether the blob that has the name has the bytes; a big one is only measured."""
        try:
            if self._store.size(digest) == self.size <= _SMALL:
                self._store.read(digest, _SMALL)
            return self._store.size(digest) == self.size
        except Corrupt:
            return False
        except NotFound:
            return True  # gone meanwhile: `touch` says so, and we link again

    def __exit__(self, *_: object) -> None:
        try:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                os.unlink(self._temp)
        except FileNotFoundError:  # it was moved to its name, not linked
            pass
        finally:
            self._descriptor = -1
            self._unlock()

    def _unlock(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.__exit__()


class VerifiedReader(io.RawIOBase):
    """A blob's bytes, hashed as they pass."""

    def __init__(self, descriptor: int, digest: Digest) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._digest = digest
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(cast("bytearray", buffer))
        count = os.readv(self._descriptor, [view])
        self._hash.update(view[:count])
        if count == 0 and len(view) and self._hash.hexdigest() != hex_of(self._digest):
            raise changed(self._digest)
        return count

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def changed(digest: Digest) -> Corrupt:
    """The error for a blob whose bytes are no longer its digest's."""
    return Corrupt(
        f"blob {digest} is damaged on disk", hint="load or build the image again: that replaces the blob"
    )
