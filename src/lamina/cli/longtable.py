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
    gap = " " * _GAP
    widths = [
        max(_LEAST - _GAP, *(len(line[column]) for line in first)) for column in range(len(first[0]) - 1)
    ]
    for line in chain(first, following, rest):
        *cells, last = line
        for column, cell in enumerate(cells):
            width = widths[column]
            if len(cell) > width:
                widths[column] = len(cell)
            cells[column] = cell.ljust(width)
        yield gap.join(cells) + f"{gap}{last}\n"
