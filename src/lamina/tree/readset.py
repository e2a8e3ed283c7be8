"""Read sets: what a step read of the layers below it, and what it found there. Pure.

An observation is a path with what was found at it: nothing, or an entry without its times. A listing is the
names in a folder, with their kinds. A read set says enough to tell whether other layers show the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.tree.entry import Entry, Kind


class Observed(NamedTuple):
    """One observation: a path that was looked up, or a folder that was listed."""

    path: bytes  # as in Entry; b"" is the root
    listed: bool = False


class ReadSet(NamedTuple):
    """`values` has for each observation the beginning of what was found there; `digest` is over all, whole.

    Sorted by path, look-ups before listings.
    """

    observed: tuple[Observed, ...]
    values: tuple[bytes, ...]
    digest: str


def value_of(entry: Entry | None, names: Iterable[bytes] = ()) -> bytes:
    """What counts of what was found at a path: b"" for nothing, else a SHA-256 over all but times.

    `names` are all names of a file that has several.
    """
    raise NotImplementedError  # helper B


def listing_value(children: Iterable[tuple[bytes, Kind]]) -> bytes:
    """What counts of a folder that was listed: its names with their kinds, in any order."""
    raise NotImplementedError  # helper B
