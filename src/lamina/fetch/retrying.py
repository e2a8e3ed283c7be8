"""Retrying: how often what may pass is tried again, and after which pauses."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from lamina.fetch.failures import Retry, waiting
from lamina.fetch.headers import retry_after
from lamina.fetch.stopping import pause

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.fetch.stopping import Stopper

ATTEMPTS = 5
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0  # seconds; each pause is twice the one before

Result = TypeVar("Result")


class Patience:
    """How often something that failed is tried again, and after which pauses: each is twice the last.

    What a server asks for (Retry-After) is kept to, unless it is more than a minute: then that is the error.
    """

    def __init__(self, stopper: Stopper, attempts: int = ATTEMPTS) -> None:
        self._stopper = stopper
        self._attempts = attempts
        self._begin()

    def _begin(self) -> None:
        self._left = self._attempts
        self._wait = _FIRST_PAUSE

    def bear(self, failure: Retry) -> None:
        """Returns when it is time for the next attempt; raises the error when there is none."""
        if failure.progress:  # it does not count
            self._begin()
        self._left -= 1
        after = failure.after
        if after is not None and after > _LONGEST_PAUSE:
            raise waiting(failure.error, after) from None
        if self._left <= 0:
            raise failure.error from None
        pause(after if after is not None else _spread(self._wait), self._stopper)
        self._wait *= 2


def retrying(attempt: Callable[[], Result], stopper: Stopper, *, attempts: int = ATTEMPTS) -> Result:
    """What `attempt` returns, which is made again when it raises Retry."""
    patience = Patience(stopper, attempts)
    while True:
        stopper.check()
        try:
            return attempt()
        except Retry as failure:
            patience.bear(failure)


def asks_too_much(header: str) -> bool:
    """Whether a header Retry-After asks for more patience than we have."""
    seconds = retry_after(header)
    return seconds is not None and seconds > _LONGEST_PAUSE


def _spread(seconds: float) -> float:
    """A little more or less, so that many who were turned away together do not come back together."""
    import random  # only when something failed

    return seconds * random.uniform(0.8, 1.2)
