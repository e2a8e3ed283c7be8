"""Ranges of a blob: which to ask for together, and whether asking for them is sooner done than the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.transfer.delta.link import PER_REQUEST, STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lamina.transfer.delta.link import Link

PIECE = 4 << 20  # bytes asked for at once: what is held in memory, and lost when a connection breaks
# What putting a layer together takes beyond unpacking its blob (bench/delta), in seconds: for a file of it,
# and for a byte of its tar, of a layer in Lamina's form and of another, which is packed anew besides.
_PER_FILE, _PER_BYTE, _PER_BYTE_PACKED = 50e-6, 0.5e-9, 3e-9
_SLACK = 0.05  # seconds that nobody minds, where bytes are saved


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
    """What to ask for to have all of `needs`, sorted by their starts: what is up to `gap` apart together."""
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


def work(files: int, size: int, *, ours: bool) -> float:
    """Seconds that putting together a layer of `size` bytes in `files` files takes here."""
    return files * _PER_FILE + size * (_PER_BYTE if ours else _PER_BYTE_PACKED)


def cost(needs: Sequence[Range], link: Link, seconds: float) -> Cost:
    """What it takes to fetch `needs`, with so many `seconds` of work beside it."""
    size = requests = 0
    for each in joined(needs, link.gap):
        size += each.end - each.start
        requests += 1 + (each.end - each.start) // PIECE
    waiting = max(link.latency, link.latency * requests / STREAMS) if requests else 0.0
    return Cost(size, requests, waiting + requests * PER_REQUEST + size / link.rate + seconds)


def is_worth_it(planned: Cost, size: int, link: Link) -> bool:
    """Whether what is planned is not slower than fetching a whole blob of `size` bytes."""
    return planned.size < size and planned.seconds <= link.latency + size / link.rate + _SLACK
