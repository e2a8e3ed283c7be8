"""Frames: pieces of a tar, each a zstd frame of its own, compressed by threads while more pieces come.

What comes out depends only on the pieces, not on the threads.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future, ThreadPoolExecutor

_BATCH = 1 << 18  # bytes given to a thread at a time
_AHEAD = 8 << 20  # bytes that wait to be compressed or written
_ALONE = 1 << 20  # up to so many bytes no thread is worth its start
_MOST_THREADS = 4


class Frame:
    """A frame to be; `start` and `end` are its place in the blob once it was written."""

    __slots__ = ("end", "start")

    def __init__(self) -> None:
        self.start = self.end = 0


class _Batch:
    """Pieces that one thread compresses, and what is to be done when they were written."""

    __slots__ = ("after", "done", "frames", "pieces", "size")

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.frames: list[Frame] = []
        self.after: list[Callable[[], object]] = []
        self.done: Future[list[bytes]] | None = None
        self.size = 0


class Frames:
    """`add` pieces, and what is to happen once they were written; `finish`; `close` in any case."""

    def __init__(self, level: int, sink: Callable[[bytes], object]) -> None:
        self._level = level
        self._sink = sink
        self._local = threading.local()
        self._pool: ThreadPoolExecutor | None = None
        self._queue: deque[_Batch] = deque()
        self._waiting = 0  # bytes in the queue
        self._total = 0
        self._batch = _Batch()
        self.written = 0

    def add(self, piece: bytes) -> Frame:
        """The next frame of the blob."""
        frame = Frame()
        self._batch.pieces.append(piece)
        self._batch.frames.append(frame)
        self._batch.size += len(piece)
        return frame

    def then(self, do: Callable[[], object]) -> None:
        """Calls `do` when all that was added so far has been written."""
        self._batch.after.append(do)
        if self._batch.size >= _BATCH:
            self._give()

    def finish(self) -> None:
        """All is written, and all that was to happen has."""
        self._give()
        while self._queue:
            self._take()

    def close(self) -> None:
        """Ends the threads."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _give(self) -> None:
        batch, self._batch = self._batch, _Batch()
        self._total += batch.size
        if self._total > _ALONE and batch.pieces:
            batch.done = self._threads().submit(self._compress, batch.pieces)
        self._queue.append(batch)
        self._waiting += batch.size
        while self._queue and (self._waiting > _AHEAD or self._queue[0].done is None):
            self._take()

    def _take(self) -> None:
        batch = self._queue.popleft()
        self._waiting -= batch.size
        done = self._compress(batch.pieces) if batch.done is None else batch.done.result()
        for frame, data in zip(batch.frames, done, strict=True):
            frame.start = self.written
            self.written += len(data)
            frame.end = self.written
        if done:
            self._sink(b"".join(done))
        for do in batch.after:
            do()

    def _compress(self, pieces: list[bytes]) -> list[bytes]:
        import zstandard  # 9 ms: only where something is compressed

        if not hasattr(self._local, "compressor"):
            self._local.compressor = zstandard.ZstdCompressor(level=self._level)
        compress = self._local.compressor.compress
        return [compress(piece) for piece in pieces]

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor  # only for what is large

            self._pool = ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS), "zstd")
        return self._pool
