"""What the store knows of the steps of a Dockerfile: plain data, measured by insight, told by the checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

LEAST_BYTES = 10_000  # what less than this costs is not worth a line
_UNITS = ("B", "kB", "MB", "GB", "TB")


class Amount(NamedTuple):
    """Bytes of so many files; `path` is the largest of them."""

    size: int = 0
    path: str = ""
    files: int = 0

    @property
    def counts(self) -> bool:
        """Whether it is enough to speak of."""
        return self.size >= LEAST_BYTES


class StepFacts(NamedTuple):
    """What one step did when it was last done.

    `copied` are files of lower layers that it stored again with the same content. `deleted` are files that
    it deleted, of layers that this Dockerfile made. `left` has, by the name of a package manager, the files
    in that one's cache.
    """

    seconds: float = 0.0
    copied: Amount = Amount()
    deleted: Amount = Amount()
    left: Mapping[str, Amount] = {}


class Change(NamedTuple):
    """A step that was often done anew, while a slow one after it came to the same each time.

    `files` are those that changed, the most frequent first; `again` is the position of the slow step, which
    was done `times` times; `seconds` are what one time took.
    """

    versions: int
    files: tuple[str, ...]
    again: int
    times: int
    seconds: float


class Known(NamedTuple):
    """All that is known, by (stage, position)."""

    steps: Mapping[tuple[int, int], StepFacts] = {}
    changes: Mapping[tuple[int, int], Change] = {}


NOTHING = Known()


def size_text(size: float) -> str:
    """Bytes for people: 12.3kB, 42.1MB."""
    unit = 0
    while size >= 999.5 and unit < len(_UNITS) - 1:
        size /= 1000
        unit += 1
    return f"{size:.3g}{_UNITS[unit]}"


def seconds_text(seconds: float) -> str:
    """Time for people: 0.4s, 31.2s."""
    return f"{seconds:.1f}s"
