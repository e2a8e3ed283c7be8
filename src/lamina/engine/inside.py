"""Work that needs to be root in here: in place, or in a forked worker that enters a user namespace.

Real root needs nothing. For anyone else a user namespace is entered once, before the first file operation.
A process that is all ours (the command line) enters it in place; a program that merely imports Lamina must
not find itself in another namespace, so there the work is done by a forked worker, which sends events and
bytes back. A lock that another thread had at that moment, one of SQLite's say, is held for good in a worker:
one that does not get as far as reading the database is ended, and another one is forked.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import struct
from typing import IO, TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from lamina.errors import LaminaError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.events import Observer

Result = TypeVar("Result")

# Frames from the worker: a letter, the length, a pickle (or the bytes themselves for DATA).
_FRAME = struct.Struct("<cQ")
_EVENT, _DATA, _RESULT, _ERROR = b"e", b"d", b"r", b"x"

_PATIENCE = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # seconds that a worker has to begin, one after the other


class Sink:
    """What the worker writes its bytes to: each write becomes a frame."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe

    def write(self, data: bytes) -> int:
        """Sends `data` to the caller's own sink."""
        _send(self._pipe, _DATA, bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


def in_worker(
    work: Callable[[Observer, BinaryIO], Result],
    observer: Observer,
    sink: BinaryIO | None,
    touch: Callable[[], object],
) -> Result:
    """Runs `work(observer, sink)` in a forked child; its events, bytes, result or error come back here.

    Before it `touch` takes the locks that the work will need; it changes nothing, as it may be broken off.
    The worker dies with us, and we wait for it. LaminaError when it ended without an answer.
    """
    child, ours = _begun(work, touch)
    try:
        with os.fdopen(ours, "rb") as pipe:
            return cast(Result, _answer(pipe, observer, sink))
    finally:
        os.waitpid(child, 0)


def _begun(work: Callable[[Observer, BinaryIO], Any], touch: Callable[[], object]) -> tuple[int, int]:
    """A worker that has touched what it needs (or has died of it), and the pipe from it."""
    for patience in _PATIENCE:
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(ours)
            _work(work, touch, theirs)
        os.close(theirs)
        poll = select.poll()
        poll.register(ours, select.POLLIN)
        if poll.poll(patience * 1000):
            return child, ours
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ours)
    raise LaminaError(
        "a worker process cannot begin: other threads are in its way",
        hint="ask from one thread at a time, or open the Engine with own_process=True",
    )


def _work(work: Callable[[Observer, BinaryIO], Any], touch: Callable[[], object], descriptor: int) -> None:
    """The life of the worker; never returns."""
    status = 1
    try:
        _die_with_parent()
        with os.fdopen(descriptor, "wb") as pipe:
            touch()
            _send(pipe, _DATA, b"")  # it has begun
            try:
                result = work(
                    lambda event: _send(pipe, _EVENT, pickle.dumps(event)), cast(BinaryIO, Sink(pipe))
                )
                _send(pipe, _RESULT, pickle.dumps(result))
            except BaseException as error:
                _send(pipe, _ERROR, _pickled(error))
        status = 0
    finally:
        os._exit(status)


def _die_with_parent() -> None:
    """A worker must not outlive the program that asked for its work."""
    from lamina.mount import syscalls  # loads ctypes

    syscalls.die_with_parent()


def _send(pipe: IO[bytes], kind: bytes, data: bytes) -> None:
    pipe.write(_FRAME.pack(kind, len(data)) + data)
    pipe.flush()


def _pickled(error: BaseException) -> bytes:
    """The error itself where it can travel, else its text."""
    try:
        data = pickle.dumps(error)
        pickle.loads(data)
    except Exception:
        return pickle.dumps(LaminaError(f"{type(error).__name__}: {error}"))
    return data


def _answer(pipe: IO[bytes], observer: Observer, sink: BinaryIO | None) -> Any:
    """Reads frames until the worker has answered."""
    while header := pipe.read(_FRAME.size):
        kind, size = _FRAME.unpack(header)
        data = pipe.read(size)
        if kind == _DATA:
            if data and sink is not None:
                sink.write(data)
        elif kind == _EVENT:
            observer(pickle.loads(data))
        elif kind == _RESULT:
            return pickle.loads(data)
        elif kind == _ERROR:
            raise pickle.loads(data)
    raise LaminaError(
        "the worker process ended without an answer", hint="was it killed? see dmesg for out of memory"
    )
