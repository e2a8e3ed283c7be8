"""Findings: what could break in an image whose layers stand on others than they were made on."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 200  # of one kind that are kept; the others are counted


class Weight(StrEnum):
    """How bad it is."""

    BREAKS = "breaks"  # it worked, and will not
    RISK = "risk"  # it may work, but not as it did, or not as the new base means it to
    NOTE = "note"  # good to know


class Finding(NamedTuple):
    """One thing that could break. `text` is a clause about `path`: `needs libfoo.so.1, which ...`."""

    weight: Weight
    kind: str  # library, interpreter, command, python, user, folder, hidden, deleted, ...
    path: str  # from `/`; "" where it is about no path
    text: str


class Findings(NamedTuple):
    """All that was found, the worst first; `more` counts what was left out, by kind."""

    listed: tuple[Finding, ...] = ()
    more: tuple[tuple[str, int], ...] = ()

    @property
    def breaks(self) -> bool:
        """Whether something breaks for certain."""
        return any(finding.weight is Weight.BREAKS for finding in self.listed)


_ORDER = tuple(Weight)


def gathered(found: Iterable[Finding]) -> Findings:
    """Findings in their order; of each weight and kind not more than MOST."""
    kept: list[Finding] = []
    counts: dict[tuple[Weight, str], int] = {}
    for finding in found:
        key = finding.weight, finding.kind
        counts[key] = counts.get(key, 0) + 1
        if counts[key] <= MOST:
            kept.append(finding)
    kept.sort(key=lambda finding: _ORDER.index(finding.weight))
    more: dict[str, int] = {}
    for (_, kind), count in counts.items():
        if count > MOST:
            more[kind] = more.get(kind, 0) + count - MOST
    return Findings(tuple(kept), tuple(sorted(more.items())))
