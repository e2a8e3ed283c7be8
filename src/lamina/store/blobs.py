"""BlobStore: bytes named by their digest, in blobs/sha256/HEX (image-spec image-layout.md#blobs).

A blob is complete or not there: it is written under a temporary name, synced, checked, then linked to
its own name. A name never changes its file while it exists, so a lock on the file is a lock on the
blob: `put` of a blob that is there refreshes its time under a shared lock, and `delete` looks at the
time under an exclusive one. Thus a sweep cannot take away what somebody just counted on.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from lamina.errors import Corrupt, InvalidInput, NotFound
from lamina.oci.digest import Digest, hex_of
from lamina.store.blobio import BlobWriter, VerifiedReader, changed
from lamina.store.guard import guard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.store.layout import Layout
    from lamina.store.lease import Lease

CHUNK = 1 << 20


class Blob(NamedTuple):
    """A blob on disk. `mtime` is in nanoseconds since 1970: when it was last put."""

    digest: Digest
    size: int
    mtime: int


class BlobStore:
    """The blobs of one store. Reading needs no lease; writing does."""

    __slots__ = ("_layout", "_lease")

    def __init__(self, layout: Layout, lease: Lease | None = None) -> None:
        self._layout = layout
        self._lease = lease

    def put(self, data: bytes | BinaryIO, expected: Digest | None = None, size: int | None = None) -> Digest:
        """Returns the digest of `data`; afterwards the blob is there, whoever wrote it.

        Corrupt when `expected` or `size` is not what the bytes have; then nothing is kept. A stream
        whose `expected` blob is there already is left unread. NoSpace, Denied.
        """
        if isinstance(data, bytes):
            with self.writer() as out:
                out.write(data)
                return out.commit(expected, size)
        with self.writer(expected) as out:
            if out.present:
                return out.commit()
            while chunk := data.read(CHUNK):
                out.write(chunk)
                if size is not None and out.size > size:
                    raise Corrupt(f"a blob is longer than its {size} bytes: {expected or 'unnamed'}")
            return out.commit(expected, size)

    def writer(self, expected: Digest | None = None) -> BlobWriter:
        """A `with` block that takes a blob in pieces; what is not committed in it leaves nothing.

        With `expected`, waits for another process that writes the same blob; when the blob is there
        then, `present` is set and there is nothing to write. Hold one such writer at a time.
        """
        if self._lease is None:
            raise InvalidInput("a blob store without a lease cannot write")
        self._lease.busy()
        return BlobWriter(self, self._layout, self._lease.temp_name(), expected)

    def path(self, digest: Digest) -> str:
        """The file of a blob, there or not."""
        return self._layout.blob(digest)

    def has(self, digest: Digest) -> bool:
        """Whether the blob is there."""
        return os.path.exists(self._layout.blob(digest))

    def size(self, digest: Digest) -> int:
        """Bytes in the blob. NotFound."""
        with guard(self._layout.blob(digest)):
            try:
                return os.stat(self._layout.blob(digest)).st_size
            except FileNotFoundError:
                raise _missing(digest) from None

    def read(self, digest: Digest, limit: int = 4 << 20) -> bytes:
        """The whole blob, checked against its digest. NotFound, Corrupt; InvalidInput above `limit` bytes."""
        descriptor = self._open(digest)
        try:
            size = os.fstat(descriptor).st_size
            if size > limit:
                raise InvalidInput(f"blob {digest} has {size} bytes, the limit is {limit}")
            data = b""
            while len(data) < size and (chunk := os.read(descriptor, size - len(data))):
                data += chunk
        finally:
            os.close(descriptor)
        if hashlib.sha256(data).hexdigest() != hex_of(digest):
            raise changed(digest)
        return data

    def open(self, digest: Digest) -> BinaryIO:
        """The blob as a stream that raises Corrupt at its end when the bytes were others. NotFound."""
        return cast("BinaryIO", io.BufferedReader(VerifiedReader(self._open(digest), digest), CHUNK))

    def _open(self, digest: Digest) -> int:
        path = self._layout.blob(digest)
        with guard(path):
            try:
                return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                raise _missing(digest) from None

    def touch(self, digest: Digest) -> bool:
        """Whether the blob is there; if so, no sweep that looked before this removes it."""
        path = self._layout.blob(digest)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if not os.fstat(descriptor).st_nlink:
                return False
            os.utime(descriptor)
            return True
        finally:
            os.close(descriptor)

    def delete(self, digest: Digest, before: int | None = None) -> int:
        """Removes the blob, unless it was put at `before` (ns since 1970) or later. The bytes freed."""
        path = self._layout.blob(digest)
        with guard(path):
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                return 0
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                found = os.fstat(descriptor)
                if not found.st_nlink or (before is not None and found.st_mtime_ns >= before):
                    return 0
                os.unlink(path)
                return found.st_size
            finally:
                os.close(descriptor)

    def walk(self) -> Iterator[Blob]:
        """Every blob, in no order."""
        try:
            entries = list(os.scandir(self._layout.blobs))
        except FileNotFoundError:
            return
        for entry in entries:
            if len(entry.name) != 64 or entry.name.startswith("."):
                continue
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # removed while we walk
                continue
            yield Blob(Digest("sha256:" + entry.name), found.st_size, found.st_mtime_ns)


def _missing(digest: Digest) -> NotFound:
    return NotFound(f"blob {digest} is not in the store")
