"""bisect: the first bad state is found, in as few questions as there must be, whatever is skipped."""

from __future__ import annotations

from math import ceil, log2
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import InvalidInput
from lamina.insight.bisect import Bisection, Verdict, bisect

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


def asking(
    first_bad: int, skipped: Collection[int] = (), early: int = 0
) -> tuple[list[int], Callable[[int], Verdict]]:
    """A test of states that are bad from `first_bad` on, and up to `early`; and the list of those asked."""
    asked: list[int] = []

    def test(number: int) -> Verdict:
        assert number not in asked, "each state is asked once"
        asked.append(number)
        if number in skipped:
            return Verdict.SKIP
        return Verdict.BAD if number >= first_bad or number <= early else Verdict.GOOD

    return asked, test


@given(st.integers(2, 300), st.data())
def test_the_first_bad_one_is_found_in_log2_questions(count: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(2, count))
    asked, test = asking(first)
    assert bisect(count, test) == Bisection((first,), first - 1)
    assert len(asked) <= 2 + ceil(log2(count - 1))


@given(st.integers(2, 100), st.data())
def test_known_ends_are_kept_to(count: int, data: st.DataObject) -> None:
    good = data.draw(st.integers(1, count - 1))
    bad = data.draw(st.integers(good + 1, count))
    first = data.draw(st.integers(good + 1, bad))
    asked, test = asking(first)
    assert bisect(count, test, good, bad).candidates == (first,)
    assert all(good <= number <= bad for number in asked)


@given(st.integers(2, 60), st.data())
def test_what_is_skipped_leaves_candidates(count: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(2, count))
    skipped = data.draw(st.sets(st.integers(2, count - 1))) if count > 2 else set()
    _, test = asking(first, skipped)
    found = bisect(count, test)
    assert first in found.candidates
    assert found.good == found.candidates[0] - 1
    assert set(found.candidates[:-1]) <= skipped, "only states that could not be asked are left between"


@given(st.integers(3, 200), st.data())
def test_a_command_that_cannot_work_at_first_is_no_hindrance(count: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(3, count))
    early = data.draw(st.integers(1, first - 2))
    asked, test = asking(first, early=early)
    found = bisect(count, test)
    if found.good:
        assert found == Bisection((first,), first - 1)
    else:
        assert found.candidates == (1,), "no state that was tried is good"
    assert len(asked) <= 3 + 2 * ceil(log2(count))


def test_nothing_ever_worked() -> None:
    _, test = asking(1)
    assert bisect(8, test) == Bisection((1,), 0)
    assert bisect(1, asking(1)[1]) == Bisection((1,), 0)


def test_ends_that_are_not_what_they_should_be_are_told() -> None:
    with pytest.raises(InvalidInput, match="the state after layer 8 is good: there is nothing to find"):
        bisect(8, asking(9)[1])
    with pytest.raises(InvalidInput, match="the state after layer 8 is skipped"):
        bisect(8, asking(3, {8})[1])
    with pytest.raises(InvalidInput, match="the state after layer 5 is bad, and not good"):
        bisect(8, asking(3)[1], good=5)
    with pytest.raises(InvalidInput, match="must lie below"):
        bisect(8, asking(3)[1], good=5, bad=5)
