"""What is asked for together, whether it pays, and how it is fetched ahead: without a registry."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.archive.chunked.errors import Doubt
from lamina.transfer.delta.ahead import Ahead
from lamina.transfer.delta.link import Link
from lamina.transfer.delta.parts import Parts
from lamina.transfer.delta.ranges import PIECE, Cost, Range, cost, is_worth_it, joined, work

BLOB = bytes(range(256)) * (100 << 10)  # 25 MiB


def line(latency: float, rate: float = 0.0) -> Link:
    """A link that was measured: so many seconds, so many bytes a second."""
    made = Link()
    made.note(100, latency, latency)
    if rate:
        made.note(10_000_000, latency, latency + 10_000_000 / rate)
    return made


def ranges_of(cuts: list[int]) -> list[Range]:
    return [Range(a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=False) if a < b]


NEEDS = st.lists(st.integers(0, len(BLOB)), max_size=40).map(lambda cuts: ranges_of(sorted(cuts)))


# --- what is asked for


def test_ranges_that_are_close_are_one() -> None:
    needs = [Range(0, 10), Range(10, 20), Range(25, 30), Range(100, 110)]
    assert list(joined(needs, 0)) == [(0, 20), (25, 30), (100, 110)]
    assert list(joined(needs, 5)) == [(0, 30), (100, 110)]
    assert list(joined(needs, 70)) == [(0, 110)]
    assert list(joined([Range(0, 50), Range(10, 20)], 0)) == [(0, 50)]
    assert not list(joined([], 9))


def test_a_link_is_what_was_measured() -> None:
    link = Link()
    assert not link.is_measured
    assert link.rate == 250e6
    link.note(1000, 0.2, 0.2)
    assert (link.latency, link.is_measured) == (0.2, False)
    link.note(10_000_000, 0.2, 1.2)
    assert link.rate == pytest.approx(10e6)
    link.note(100, 0.1, 0.1)
    assert link.latency == 0.1
    assert link.gap == pytest.approx((0.1 / 4 + 0.002) * 10e6, rel=0.1)


@pytest.mark.parametrize("latency", [0.0005, 0.02, 0.1, 0.4])
@pytest.mark.parametrize("rate", [1e6, 12.5e6, 125e6])
def test_little_that_differs_pays_and_all_does_not(latency: float, rate: float) -> None:
    link, size = line(latency, rate), 100_000_000
    little = [Range(at, at + 5000) for at in range(0, 50_000_000, 10_000_000)]
    nearly_all = [Range(at, at + 9990) for at in range(0, size, 10_000)]
    seconds = work(1000, 2 * size, ours=True)
    assert is_worth_it(cost(little, link, seconds), size, link)
    assert not is_worth_it(cost([Range(0, size)], link, seconds), size, link)
    assert not is_worth_it(cost(nearly_all, link, seconds), size, link)


def test_requests_cost_more_the_farther_it_is() -> None:
    needs = [Range(at, at + 1000) for at in range(0, 100_000_000, 200_000)]
    near, far = [cost(needs, line(latency, 50e6), 0) for latency in (0.001, 0.5)]
    assert near.requests == 500
    assert near.size == 500_000
    assert far.requests < 100  # what is between them comes along
    assert far.size > 50_000_000


def test_on_a_link_faster_than_we_are_the_whole_is_taken() -> None:
    link, size = line(0.0005, 5e9), 10_000_000
    assert not is_worth_it(Cost(1_000_000, 5, work(5000, 3 * size, ours=False)), size, link)


# --- how it comes


class Source:
    """A blob that counts what is fetched of it, several at once."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.asked: list[Range] = []
        self.most = self._now = 0
        self._seconds = seconds
        self._lock = threading.Lock()

    def fetch(self, start: int, end: int) -> bytes:
        with self._lock:
            self.asked.append(Range(start, end))
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(self._seconds)
        with self._lock:
            self._now -= 1
        return BLOB[start:end]


@given(NEEDS, st.sampled_from([0.0, 0.0001, 0.01]))
@settings(max_examples=60, deadline=None)
def test_each_range_is_what_it_should_be(needs: list[Range], latency: float) -> None:
    source = Source()
    with Parts(needs, source.fetch, line(latency, 12.5e6)) as parts:
        for need in needs:
            assert parts.take(need) == BLOB[need.start : need.end]
            assert parts.take(need) == BLOB[need.start : need.end]  # two files may share a frame
    assert all(0 < each.end - each.start <= PIECE for each in source.asked)
    assert sum(each.end - each.start for each in source.asked) <= len(BLOB)  # nothing twice


def test_several_are_under_way_at_once_and_not_too_much() -> None:
    source = Source(0.02)
    needs = [Range(at, at + 100) for at in range(0, 20_000_000, 500_000)]
    with Parts(needs, source.fetch, line(0.001)) as parts:
        parts.take(needs[0])
        time.sleep(0.1)
        assert len(source.asked) <= 10
        for need in needs:
            parts.take(need)
    assert source.most == 4
    large = Source()
    with Parts([Range(0, len(BLOB))], large.fetch, line(0.001)):
        pass
    with Parts([Range(0, len(BLOB)), Range(len(BLOB) - 1, len(BLOB))], large.fetch, line(0.001)) as parts:
        parts._ask()
        time.sleep(0.05)
        assert sum(each.end - each.start for each in large.asked) <= 5 * PIECE


def test_what_was_passed_is_gone() -> None:
    with Parts([Range(0, 10), Range(9_000_000, 9_000_010)], Source().fetch, line(0.001)) as parts:
        parts.take(Range(9_000_000, 9_000_010))
        with pytest.raises(Doubt, match="not in the order"):
            parts.take(Range(0, 10))
        with pytest.raises(Doubt, match="not in the order"):
            parts.take(Range(20_000_000, 20_000_001))


def test_what_fails_comes_out_where_it_is_needed() -> None:
    def fetch(start: int, end: int) -> bytes:
        if start:
            raise OSError("broken")
        return BLOB[start:end]

    with Parts([Range(0, 10), Range(9_000_000, 9_000_010)], fetch, line(0.001)) as parts:
        assert parts.take(Range(0, 10)) == BLOB[:10]
        with pytest.raises(OSError, match="broken"):
            parts.take(Range(9_000_000, 9_000_010))


def test_less_than_was_asked_for_is_doubted() -> None:
    with Parts([Range(0, 10)], lambda start, end: b"short", line(0.001)) as parts, pytest.raises(Doubt):
        parts.take(Range(0, 10))


# --- ahead of who uses it


def pieces(count: int, made: list[int]) -> Generator[bytes, None, None]:
    for number in range(count):
        made.append(number)
        yield b"%d," % number * 10_000


def test_all_comes_in_order_and_not_too_far_ahead() -> None:
    made: list[int] = []
    with Ahead(pieces(1000, made)) as ahead:
        found = ahead.pieces()
        first = next(found)
        time.sleep(0.05)
        assert 10 < len(made) < 400
        assert first + b"".join(found) == b"".join(pieces(1000, []))


def test_an_error_comes_after_what_was_before_it() -> None:
    def broken() -> Generator[bytes, None, None]:
        yield b"before" * 100_000
        raise Doubt("no more")

    with Ahead(broken()) as ahead:
        found = ahead.pieces()
        assert next(found) == b"before" * 100_000
        with pytest.raises(Doubt, match="no more"):
            next(found)


def test_who_leaves_early_ends_it() -> None:
    closed = threading.Event()

    def endless() -> Generator[bytes, None, None]:
        try:
            while True:
                yield bytes(100_000)
        finally:
            closed.set()

    with Ahead(endless()) as ahead:
        next(ahead.pieces())
    assert closed.is_set()
