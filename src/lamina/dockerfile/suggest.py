"""The nearest known name to one that is not known, for "did you mean"."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_FARTHEST = 2  # edits; at three, guesses begin to be nonsense


def closest(name: str, known: Iterable[str]) -> str | None:
    """The first of `known` that is nearest to `name`, whatever the case; None when none is near."""
    best: str | None = None
    least = _FARTHEST + 1
    for candidate in known:
        if abs(len(candidate) - len(name)) > _FARTHEST:
            continue
        edits = _edits(name.lower(), candidate.lower())
        if edits < least:
            best, least = candidate, edits
    return best


def _edits(left: str, right: str) -> int:
    """How many letters to put in, take out or change, or neighbours to swap."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for number, char in enumerate(left, 1):
        above, row = row, [number]
        for column, other in enumerate(right, 1):
            least = min(above[column] + 1, row[column - 1] + 1, above[column - 1] + (char != other))
            swapped = left[number - 2 : number] == other + right[column - 2 : column - 1]
            if swapped and number > 1 and column > 1:
                least = min(least, before[column - 2] + 1)
            row.append(least)
        before = above
    return row[-1]
