"""Streaming: a blob into a repository while it is made, its digest known only at its end: piece by piece.

While one piece is sent, by a thread, the next is made: no more than these two are in memory.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from typing import TYPE_CHECKING

from lamina.errors import Cancelled
from lamina.fetch.failures import FetchFailed, Retry
from lamina.fetch.retrying import retrying
from lamina.fetch.stopping import Stop
from lamina.oci.digest import Digest
from lamina.registry.discovery import has_blob

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.registry.uploading import Session

_ROUNDS = 3  # times that all of it is made
_STEP = 0.1  # seconds between two looks whether it is over


class _Lost(Exception):
    """The registry has forgotten what it had: all of it must be made again."""

    def __init__(self, error: FetchFailed) -> None:
        super().__init__(error.message)
        self.error = error


def send_stream(
    new_session: Callable[[], Session],
    fill: Callable[[Callable[[bytes], object]], None],
    progress: Callable[[int, int], object],
) -> tuple[Digest, int]:
    """As Destination.stream."""
    for left in reversed(range(_ROUNDS)):
        round_ = _Round(new_session(), progress)
        try:
            return round_.run(fill)
        except _Lost as lost:
            if not left:
                raise lost.error from None
    raise AssertionError("the last round raises")


class _Round:
    """All of it once."""

    def __init__(self, session: Session, progress: Callable[[int, int], object]) -> None:
        self._outer = session.at
        self._stop = Stop(session.at.stopper)  # for the thread, whatever it waits for
        self._session = session
        session.at = session.at._replace(stopper=self._stop)
        self._progress = progress
        self._hash = hashlib.sha256()
        self._made = bytearray()
        self._sent = 0
        self._queue: queue.Queue[bytes | None] = queue.Queue()
        self._idle = threading.Semaphore()  # whether the thread may be given a piece
        self._failure: BaseException | None = None

    def run(self, fill: Callable[[Callable[[bytes], object]], None]) -> tuple[Digest, int]:
        session = self._session
        session.begin()
        thread = threading.Thread(target=self._work, daemon=True)
        thread.start()
        try:
            fill(self._write)
            if self._made:
                self._hand_over()
        except BaseException as error:
            self._stop.set()
            self._queue.put(None)
            thread.join()
            session.at = self._outer
            if not isinstance(error, FetchFailed | Cancelled | KeyboardInterrupt):
                session.cancel()
            raise
        self._queue.put(None)
        thread.join()
        session.at = self._outer
        if self._failure is not None:
            raise self._failure
        digest = Digest("sha256:" + self._hash.hexdigest())
        retrying(lambda: self._end(digest), session.at.stopper)
        return digest, self._sent

    def _write(self, data: bytes) -> None:
        self._made += data
        piece = self._session.piece
        while len(self._made) >= piece:
            self._hand_over()

    def _hand_over(self) -> None:
        """Gives the next piece to the thread when it is idle; raises what that has failed with."""
        while not self._idle.acquire(timeout=_STEP):
            self._check()
        self._check()
        with memoryview(self._made) as view:
            data = bytes(view[: self._session.piece])
        del self._made[: len(data)]
        self._queue.put(data)
        self._hash.update(data)

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._session.at.stopper.check()

    def _work(self) -> None:
        """The thread: sends what comes until the end, or until something fails."""
        try:
            while (data := self._queue.get()) is not None:
                retrying(_Piece(self._session, data, self._sent).attempt, self._session.at.stopper)
                self._sent += len(data)
                self._progress(self._sent, 0)
                self._idle.release()
        except BaseException as error:
            self._failure = error

    def _end(self, digest: Digest) -> None:
        """Names it. What is lost may be the answer to an earlier attempt."""
        session = self._session
        try:
            session.put(digest, b"", self._sent)
        except Retry as failure:
            if has_blob(session.at, session.reference, digest):
                return
            if session.arrived() != self._sent:
                raise _lost(failure) from None
            raise


class _Piece:
    """One piece on its way; after a failure, what of it has not arrived."""

    def __init__(self, session: Session, data: bytes, start: int) -> None:
        self._session = session
        self._data = data
        self._start = start
        self._end = start + len(data)
        self._tried = False

    def attempt(self) -> None:
        at = self._start
        if self._tried:
            found = self._session.arrived()
            if found is None or not self._start <= found <= self._end:
                raise _Lost(self._lost())
            at = found
        self._tried = True
        while at < self._end:
            end = self._session.patch(self._data[at - self._start :], at)
            if not at < end <= self._end:
                raise _Lost(self._lost())
            at = end

    def _lost(self) -> FetchFailed:
        session = self._session
        return FetchFailed(f"cannot push {session.shown}: {session.at.host} forgot what it had of it")


def _lost(failure: Retry) -> BaseException:
    error = failure.error
    return _Lost(error) if isinstance(error, FetchFailed) else error
