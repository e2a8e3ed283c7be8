"""Arriving: a blob on its way: one thread writes it into the store, another reads what there is already.

What is read is not verified before the end: `read` gives b"" only when the blob was, and has its name.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from lamina.store.blobio import BlobWriter
from lamina.store.blobs import BlobStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.layers.context import Layers
    from lamina.oci.digest import Digest

_PIECE = 1 << 18
_STEP = 0.2  # seconds between two looks whether it is over


class StartedAgain(Exception):
    """What was read of a blob counts no more: it comes all over again."""


class Interrupted(Exception):
    """Reading ends because of what happened elsewhere: `error`."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Arriving:
    """One blob. `check` raises when nothing more is to be expected, and why."""

    def __init__(self, check: Callable[[], None]) -> None:
        self.check = check
        self._change = threading.Condition()
        self._out: BlobWriter | None = None
        self._attempt = 0
        self._over = False

    # --- for the thread that fetches

    def store(self, ctx: Layers) -> BlobStore:
        """The blob store, as one to put this blob into."""
        return _Telling(ctx, self)

    def begin(self, out: BlobWriter) -> None:
        """The bytes go to `out` from now on."""
        with self._change:
            self._attempt += 1
            self._out = out
            self._change.notify_all()

    def grew(self) -> None:
        """There is more to read."""
        with self._change:
            self._change.notify_all()

    def again(self, restart: Callable[[], None]) -> None:
        """The blob comes all over again, after `restart`."""
        with self._change:
            self._attempt += 1
            restart()

    def end(self) -> None:
        """The store has the blob. Called before the block of the writer ends."""
        with self._change:
            self._over = True
            self._change.notify_all()

    # --- for who waits

    @property
    def is_over(self) -> bool:
        """Whether the store has the blob."""
        return self._over

    def comes(self, idle: Callable[[], bool]) -> bool:
        """Waits for its beginning; False when the store had it. `idle` as in `open`. What `check` raises."""
        self._wait(lambda: self._out is not None or self._over, idle)
        return self._out is not None

    def wait(self) -> None:
        """Returns when the store has the blob. What `check` raises."""
        self._wait(lambda: self._over, lambda: False)

    def _wait(self, done: Callable[[], bool], idle: Callable[[], bool]) -> None:
        while not done():
            self.check()
            if idle():
                continue
            with self._change:
                if not done():
                    self._change.wait(_STEP)

    def open(self, final: str, idle: Callable[[], bool]) -> Reader:
        """The blob that `comes`, from its beginning; `final` is its file in the store.

        `idle` is called where there is nothing to read yet; False when it had nothing to do either.
        """
        return Reader(self, final, idle)

    def state(self) -> tuple[int, int, bool]:
        """Which attempt it is, bytes so far, and whether that is all."""
        assert self._out is not None
        with self._change:
            return self._attempt, self._out.size, self._over

    def pause(self, state: tuple[int, int, bool]) -> None:
        """Waits a moment, or until the state is another."""
        with self._change:
            if self.state() == state:
                self._change.wait(_STEP)

    def open_file(self, final: str) -> int:
        """A descriptor of the file with the bytes; -1 where it failed just now, as `check` will say."""
        assert self._out is not None
        with self._change:
            try:
                return os.open(final if self._over else self._out.path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return -1


class Reader:
    """The bytes of a blob that arrives, as a stream that waits for them."""

    def __init__(self, arriving: Arriving, final: str, idle: Callable[[], bool]) -> None:
        self._arriving = arriving
        self._final = final
        self._idle = idle
        self._attempt = arriving.state()[0]
        self._position = 0
        self._descriptor = -1

    @property
    def is_stale(self) -> bool:
        """Whether the blob began again after this was opened."""
        return self._arriving.state()[0] != self._attempt

    def read(self, size: int = _PIECE, /) -> bytes:
        """Up to `size` bytes; b"" at the verified end. StartedAgain, Interrupted."""
        while True:
            self._check()
            state = self._arriving.state()
            data = self._take(min(size, state[1] - self._position))
            if self.is_stale:
                raise StartedAgain
            if data or state[2]:
                self._position += len(data)
                return data
            if not self._idle():
                self._arriving.pause(state)

    def _check(self) -> None:
        try:
            self._arriving.check()
        except Exception as error:
            raise Interrupted(error) from error

    def _take(self, count: int) -> bytes:
        if count <= 0:
            return b""
        if self._descriptor < 0:
            self._descriptor = self._arriving.open_file(self._final)
        return os.pread(self._descriptor, count, self._position) if self._descriptor >= 0 else b""

    def close(self) -> None:
        """Ends it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Telling(BlobStore):
    """The blob store, which tells an Arriving of what is written."""

    __slots__ = ("_arriving", "_ctx")

    def __init__(self, ctx: Layers, arriving: Arriving) -> None:
        super().__init__(ctx.layout, ctx.lease)
        self._ctx = ctx
        self._arriving = arriving

    def writer(self, expected: Digest | None = None) -> BlobWriter:
        self._ctx.lease.busy()
        return _Writer(self._ctx, expected, self._arriving)


class _Writer(BlobWriter):
    """A writer that tells of what it does."""

    __slots__ = ("_arriving",)

    def __init__(self, ctx: Layers, expected: Digest | None, arriving: Arriving) -> None:
        super().__init__(ctx.blobs, ctx.layout, ctx.lease.temp_name(), expected)
        self._arriving = arriving

    def __enter__(self) -> BlobWriter:
        super().__enter__()
        if not self.present:
            self._arriving.begin(self)
        return self

    def write(self, data: bytes | bytearray | memoryview) -> int:
        done = super().write(data)
        self._arriving.grew()
        return done

    def restart(self) -> None:
        self._arriving.again(super().restart)

    def commit(self, expected: Digest | None = None, size: int | None = None) -> Digest:
        digest = super().commit(expected, size)
        self._arriving.end()
        return digest
