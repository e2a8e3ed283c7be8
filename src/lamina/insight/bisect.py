"""Bisection over the states between the layers of an image: where did something begin to fail?

    found = bisect(count, test)        # test(n) is asked of the state after layer n, each state once

As `git bisect`: the state at the top is bad, an earlier one is good, and what lies between is halved. When
nobody says which is good, the lowest is tried first, and if it is not, ever larger steps down from the top:
a command often cannot work before the layer that brought it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable


class Verdict(StrEnum):
    """What a test says of a state."""

    GOOD = "good"
    BAD = "bad"
    SKIP = "skip"  # it cannot be said


class Bisection(NamedTuple):
    """Where the good states end. Layers count from 1, the bottom."""

    candidates: tuple[int, ...]  # the first bad layer; several when states between them were skipped
    good: int  # the highest state below them known to be good; 0 when none is


def bisect(count: int, test: Callable[[int], Verdict], good: int = 0, bad: int = 0) -> Bisection:
    """The first bad layer of `count`, between a good and a bad state (0: to be found out, the top).

    InvalidInput when the ends are not what they should be: then there is nothing to halve.
    """
    known: dict[int, Verdict] = {}

    def ask(number: int) -> Verdict:
        if number not in known:
            known[number] = test(number)
        return known[number]

    bad = bad or count
    if good >= bad:
        raise InvalidInput(f"the good state, {good}, must lie below the bad one, {bad}")
    if ask(bad) is not Verdict.BAD:
        word = "good" if known[bad] is Verdict.GOOD else "skipped"
        raise InvalidInput(f"the state after layer {bad} is {word}: there is nothing to find below it")
    if good and ask(good) is not Verdict.GOOD:
        word = "bad" if known[good] is Verdict.BAD else "skipped"
        raise InvalidInput(f"the state after layer {good} is {word}, and not good", hint="--good another one")
    if not good:
        good, bad = _find_good(bad, ask)
    return _halved(good, bad, ask)


def _find_good(bad: int, ask: Callable[[int], Verdict]) -> tuple[int, int]:
    """A good state, and the lowest bad one above it that was met; 0 when each state that was tried is bad."""
    if bad > 1 and ask(1) is Verdict.GOOD:
        return 1, bad
    step, at = 1, bad - 1
    while at > 1:
        verdict = ask(at)
        if verdict is Verdict.GOOD:
            return at, bad
        if verdict is Verdict.BAD:
            bad = at
        step *= 2
        at -= step
    return 0, bad


def _halved(good: int, bad: int, ask: Callable[[int], Verdict]) -> Bisection:
    skipped: set[int] = set()
    if not good and bad > 1 and ask(1) is Verdict.BAD:
        bad = 1
    while True:
        between = [number for number in range(good + 1, bad) if number not in skipped]
        if not between:
            return Bisection(tuple(range(good + 1, bad + 1)), good)
        middle = (good + bad) / 2
        at = min(between, key=lambda number: (abs(number - middle), number))
        verdict = ask(at)
        if verdict is Verdict.GOOD:
            good = at
        elif verdict is Verdict.BAD:
            bad = at
        else:
            skipped.add(at)
