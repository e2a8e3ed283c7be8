"""Parts: the ranges of one blob, fetched ahead of whoever needs them, several at once, in bounded memory.

Which ranges are asked for together is decided as late as can be, by what the link does then: on one that
turns out fast, what lies between two files is fetched along; where answers are slow to begin, even more.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from lamina.archive.chunked.errors import Doubt
from lamina.transfer.delta.link import STREAMS
from lamina.transfer.delta.ranges import PIECE, Range

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from lamina.transfer.delta.link import Link

_AHEAD = 4 * PIECE  # bytes that were asked for and not taken yet


class Parts:
    """`with Parts(needs, fetch, link) as parts:` `parts.take(range)` for each of `needs`, in their order.

    `needs` are sorted by their starts; `fetch(start, end)` is called by threads.
    """

    def __init__(self, needs: Sequence[Range], fetch: Callable[[int, int], bytes], link: Link) -> None:
        self._needs = needs
        self._next = 0  # the first of `needs` that was not asked for whole
        self._from = 0  # where to go on in the blob
        self._fetch = fetch
        self._link = link
        self._pool = ThreadPoolExecutor(STREAMS, "parts")
        self._coming: deque[tuple[Range, Future[bytes]]] = deque()
        self._waiting = 0
        self._have: deque[tuple[int, bytes]] = deque()  # what came, with its place

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def take(self, wanted: Range) -> bytes:
        """The bytes of one of `needs`; those before it are forgotten. Doubt when it is none of them."""
        while self._have and self._have[0][0] + len(self._have[0][1]) <= wanted.start:
            self._have.popleft()
        while not self._have or self._have[-1][0] + len(self._have[-1][1]) < wanted.end:
            self._ask()
            if not self._coming:
                raise Doubt("the files of the layer are not in the order of its table of contents")
            place, future = self._coming.popleft()
            data = future.result()
            self._waiting -= place.end - place.start
            if len(data) != place.end - place.start:
                raise Doubt("a part of the layer came shorter, or longer, than was asked for")
            if place.end > wanted.start:
                self._have.append((place.start, data))
            self._ask()
        return self._cut(wanted)

    def _cut(self, wanted: Range) -> bytes:
        found, at = [], wanted.start
        for start, data in self._have:
            if at < wanted.end and start <= at < start + len(data):
                piece = data[at - start : wanted.end - start]
                found.append(piece)
                at += len(piece)
        if at != wanted.end:
            raise Doubt("the files of the layer are not in the order of its table of contents")
        return found[0] if len(found) == 1 else b"".join(found)

    def _ask(self) -> None:
        """Asks for more, as far ahead as may be."""
        while self._waiting < _AHEAD and len(self._coming) < 2 * STREAMS:
            piece = self._piece()
            if piece is None:
                return
            self._waiting += piece.end - piece.start
            self._coming.append((piece, self._pool.submit(self._fetch, piece.start, piece.end)))

    def _piece(self) -> Range | None:
        """What to ask for next; None when all was."""
        needs, gap = self._needs, self._link.gap
        while self._next < len(needs) and needs[self._next].end <= self._from:
            self._next += 1
        if self._next == len(needs):
            return None
        start = end = max(self._from, needs[self._next].start)
        while self._next < len(needs) and end - start < PIECE:
            need = needs[self._next]
            if need.start > end + gap and end > start:
                break
            end = max(end, need.end)
            if end - start <= PIECE:
                self._next += 1
        end = min(end, start + PIECE)
        self._from = end
        return Range(start, end)
