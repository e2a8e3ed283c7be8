"""Tables that may be longer than memory: as wide as the lines so far need, many of them seen first."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

from lamina.cli.listing import table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_MEASURED = 10_000  # lines that are looked at before the first is printed
_LEAST, _GAP = 10, 3


def longtable(lines: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines of cells as aligned text, each with its line feed. The last cell is not padded.

    As `listing.table` prints it where there are no more lines than are measured.
    """
    rest = iter(lines)
    first = list(islice(rest, _MEASURED))
    following = list(islice(rest, 1))
    if not following:
        yield table(first)
        return
    widths = [_LEAST] * (len(first[0]) - 1)
    _widen(widths, first)
    for line in chain(first, following, rest):
        _widen(widths, [line])
        cells = [cell.ljust(width) for cell, width in zip(line[:-1], widths, strict=True)]
        yield "".join([*cells, line[-1], "\n"])


def _widen(widths: list[int], lines: Sequence[Sequence[str]]) -> None:
    for column in range(len(widths)):
        widths[column] = max(widths[column], max(len(line[column]) for line in lines) + _GAP)
