"""Ranges of a blob: which to ask for together, and whether asking for them is sooner done than the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lamina.transfer.link import Link

PIECE = 4 << 20  # bytes asked for at once: what is held in memory, and lost when a connection breaks
STREAMS = 3  # requests under way at once
_PER_FILE = 60e-6  # seconds for finding, opening and reading a file that is here


class Range(NamedTuple):
    """Bytes of a blob from `start` to `end`, not with it."""

    start: int
    end: int


class Cost(NamedTuple):
    """What fetching some ranges takes: bytes, requests, seconds."""

    size: int
    requests: int
    seconds: float


def joined(needs: Iterable[Range], gap: int) -> Iterator[Range]:
    """What to ask for to have all of `needs`, sorted by their starts: what is at most `gap` apart together."""
    start = end = -1
    for need in needs:
        if start >= 0 and need.start <= end + gap:
            end = max(end, need.end)
            continue
        if start >= 0:
            yield Range(start, end)
        start, end = need
    if start >= 0:
        yield Range(start, end)


def cost(needs: Sequence[Range], link: Link, files: int) -> Cost:
    """What it takes to fetch `needs` and to read `files` files that are here."""
    size = requests = 0
    for each in joined(needs, link.gap):
        size += each.end - each.start
        requests += 1 + (each.end - each.start) // PIECE
    waiting = max(link.latency, link.latency * requests / STREAMS) if requests else 0.0
    return Cost(size, requests, waiting + size / link.rate + files * _PER_FILE)


def whole(size: int, link: Link) -> Cost:
    """What it takes to fetch all of a blob."""
    return Cost(size, 1, link.latency + size / link.rate)
