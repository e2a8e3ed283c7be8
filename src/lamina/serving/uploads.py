"""Uploads: blobs on their way in. What has arrived stays when a connection breaks, until it is too old.

An upload is a temporary file of the store under a lease of its own; its digest is computed as the bytes pass,
and it becomes a blob only when that is the digest that the client names.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lamina.db import hosted
from lamina.errors import Corrupt
from lamina.serving import work
from lamina.serving.failures import DIGEST_INVALID, TOO_MANY, UPLOAD_INVALID, UPLOAD_UNKNOWN, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.layers.context import Layers
    from lamina.oci.digest import Digest

AT_ONCE = 128
_PATIENCE = 10.0  # seconds for the connection that wrote before to let go


class Upload:
    """One blob on its way into a repository; used by one request at a time (Uploads.use)."""

    def __init__(self, ctx: Layers, repository: str) -> None:
        self.id = os.urandom(16).hex()
        self.repository = repository
        self.used = time.monotonic()
        self.lock = threading.Lock()
        self.abort: Callable[[], object] | None = None  # cuts the connection that writes now
        self.gone = False
        self._own = work.begin(ctx)
        try:
            self._writer = self._own.blobs.writer()
            self._writer.__enter__()
        except BaseException:
            work.end(self._own)
            raise

    @property
    def size(self) -> int:
        """Bytes that have arrived."""
        return self._writer.size

    def take(self, pieces: Iterator[bytes]) -> None:
        """Adds what arrives; what did stays, if it breaks off. NoSpace."""
        for piece in pieces:
            self._writer.write(piece)
            self.used = time.monotonic()

    def commit(self, digest: Digest) -> None:
        """Afterwards the repository has the blob. Failure when the bytes are others."""
        try:
            self._writer.commit(digest)
        except Corrupt as error:
            raise Failure(DIGEST_INVALID, error.message, details=[digest]) from None
        with self._own.db.write() as tx:
            hosted.put_blobs(tx, self.repository, [digest])

    def end(self) -> None:
        """Removes the temporary file, and lets go the lease."""
        self.gone = True
        try:
            self._writer.__exit__()
        finally:
            work.end(self._own)


class Uploads:
    """All uploads of a server."""

    def __init__(self, ctx: Layers) -> None:
        self._ctx = ctx
        self._lock = threading.Lock()
        self._all: dict[str, Upload] = {}

    def begin(self, repository: str) -> Upload:
        """A new upload that goes on over several requests. Failure when there are too many; NoSpace."""
        with self._lock:
            if len(self._all) >= AT_ONCE:
                raise Failure(TOO_MANY, "too many uploads at once", headers=(("Retry-After", "10"),))
        made = Upload(self._ctx, repository)
        with self._lock:
            self._all[made.id] = made
        return made

    @contextmanager
    def once(self, repository: str) -> Iterator[Upload]:
        """A new upload that is over when the block is."""
        made = Upload(self._ctx, repository)
        try:
            yield made
        finally:
            made.end()

    @contextmanager
    def use(self, repository: str, name: str, abort: Callable[[], object]) -> Iterator[Upload]:
        """An upload for one request, which `abort` would cut. Failure when there is none of that name.

        A request before that has not ended, since its connection is dead and nobody knows, is cut.
        """
        with self._lock:
            upload = self._all.get(name)
        if upload is None or upload.repository != repository:
            raise Failure(UPLOAD_UNKNOWN, details=[name[:100]])
        before = upload.abort
        if not upload.lock.acquire(blocking=False):
            if before is not None:
                before()
            if not upload.lock.acquire(timeout=_PATIENCE):
                raise Failure(UPLOAD_INVALID._replace(status=409), "another request writes this upload")
        try:
            if upload.gone:
                raise Failure(UPLOAD_UNKNOWN, details=[name])
            upload.abort = abort
            upload.used = time.monotonic()
            yield upload
        finally:
            upload.abort = None
            upload.lock.release()

    def drop(self, upload: Upload) -> None:
        """Ends an upload, for good or because it failed; call it from within `use`."""
        with self._lock:
            self._all.pop(upload.id, None)
        if not upload.gone:
            upload.end()

    def expire(self, seconds: float) -> None:
        """Ends the uploads of which nothing was heard for so long."""
        before = time.monotonic() - seconds
        with self._lock:
            old = [each for each in self._all.values() if each.used < before]
        for upload in old:
            if upload.lock.acquire(blocking=False):
                try:
                    self.drop(upload)
                finally:
                    upload.lock.release()

    def close(self) -> None:
        """Ends all uploads."""
        with self._lock:
            left = list(self._all.values())
        for upload in left:
            with upload.lock:
                self.drop(upload)
