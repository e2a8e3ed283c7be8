"""Link: how fast a repository answers, and how fast bytes come then, by what was fetched from it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from lamina.oci.descriptor import Descriptor
    from lamina.registry.repository import Repository

_LARGE = 128 << 10  # bytes of an answer that tells how fast they come; much of a smaller one comes at once
_SHORTEST = 1e-4  # seconds
# Bytes a second: the most that is counted with, also where nothing was measured. A faster link is hard to
# tell from a pause of our own, and bytes that need not be sent are worth something to whoever sends them.
_FAST = 250e6
_USUAL = 125e6  # bytes a second: 1 Gbit/s
STREAMS = 4  # requests under way at once
PER_REQUEST = 2e-3  # seconds of work here that a request is
_MOST_GAP, _MOST_GUESSED = 4 << 20, 128 << 10  # bytes fetched in vain at a time; where the rate is not known
_KEEP = 0.7  # how much an older measurement counts beside a new one


class Link:
    """One repository, as seen from here. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latency = 0.0
        self._rate = 0.0
        self.has_ranges = True

    def note(self, size: int, first: float, total: float) -> None:
        """An answer of `size` bytes: seconds until its first bytes came, and until all had."""
        with self._lock:
            self._latency = max(min(first, self._latency or first), _SHORTEST)  # others wait for a place, too
            if size >= _LARGE:
                rate = size / max(total - first, 10 * _SHORTEST)
                self._rate = _KEEP * self._rate + (1 - _KEEP) * rate if self._rate else rate

    @property
    def latency(self) -> float:
        """Seconds that one more request takes before anything comes."""
        return self._latency

    @property
    def rate(self) -> float:
        """Bytes a second over one connection."""
        return min(self._rate or _FAST, _FAST)

    @property
    def is_measured(self) -> bool:
        """Whether the rate is more than a guess."""
        return self._rate > 0

    @property
    def gap(self) -> int:
        """Up to how many bytes that are not wanted come sooner than the answer to one more request.

        Bytes are not free on a fast link either, and requests wait side by side.
        """
        most = _MOST_GAP if self._rate else _MOST_GUESSED
        seconds = self.latency / STREAMS + PER_REQUEST
        return min(most, int(seconds * min(self._rate or _USUAL, _USUAL)))


_links: WeakKeyDictionary[Repository, Link] = WeakKeyDictionary()


def link_of(repository: Repository) -> Link:
    """The link to a repository, for as long as it is open."""
    return _links.setdefault(repository, Link())


def timed_part(repository: Repository, link: Link, descriptor: Descriptor, start: int, end: int) -> bytes:
    """Repository.part, measured."""
    began = time.perf_counter()
    with repository.open_part(descriptor, start, end) as stream:
        head = stream.read(1)
        first = time.perf_counter() - began
        data = head + stream.read()
    link.note(len(data), first, time.perf_counter() - began)
    return data
