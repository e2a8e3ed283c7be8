"""ahead: what one thread makes while another uses what there is already, in bounded memory."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

_BATCH = 1 << 18  # bytes handed over at a time
_MOST = 4 << 20  # bytes that wait


class Ahead:
    """The pieces of a generator, joined to larger ones, as another thread makes them.

    `with Ahead(pieces) as ahead: for piece in ahead.pieces(): ...` What the generator raises, `pieces` does.
    """

    def __init__(self, pieces: Generator[bytes, None, None]) -> None:
        self._source = pieces
        self._change = threading.Condition()
        self._ready: deque[bytes] = deque()
        self._waiting = 0  # bytes in _ready
        self._over = False
        self._closed = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="ahead", daemon=True)

    def __enter__(self) -> Ahead:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._change:
            self._closed = True
            self._change.notify_all()
        self._thread.join()

    def pieces(self) -> Generator[bytes, None, None]:
        """All of them, in their order."""
        while True:
            with self._change:
                while not self._ready and not self._over:
                    self._change.wait()
                if not self._ready:
                    break
                piece = self._ready.popleft()
                self._waiting -= len(piece)
                self._change.notify_all()
            yield piece
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        try:
            block: list[bytes] = []
            size = 0
            for piece in self._source:
                block.append(piece)
                size += len(piece)
                if size >= _BATCH:
                    if not self._give(b"".join(block)):
                        return
                    block.clear()
                    size = 0
            self._give(b"".join(block))
        except BaseException as error:
            self._failure = error
        finally:
            self._source.close()
            with self._change:
                self._over = True
                self._change.notify_all()

    def _give(self, data: bytes) -> bool:
        """False when nobody wants it any more."""
        with self._change:
            while self._waiting > _MOST and not self._closed:
                self._change.wait()
            if data:
                self._ready.append(data)
                self._waiting += len(data)
                self._change.notify_all()
            return not self._closed
