"""Waiting that a signal can end at any moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import select

LONGEST = 0.2  # seconds that one call blocks


def wait_for(poller: select.poll) -> list[tuple[int, int]]:
    """What is ready, as soon as something is.

    Python runs the handler of a signal between two instructions of its own. One that comes just before a call
    blocks has to wait for the end of that call, so none of them may last.
    """
    while not (ready := poller.poll(LONGEST * 1000)):
        pass
    return ready
