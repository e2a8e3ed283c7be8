"""Two long texts on one line: the part in which they differ, with … for what they have in common."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 60  # characters of one text that are shown
_MORE = "…"


def narrowed(old: str, new: str | None) -> tuple[str, str]:
    """Both texts, where they are long cut down to what differs; with None for the other, the beginning."""
    if new is None:
        return _cut(" ".join(old.split())), ""
    if len(old) <= WIDTH and len(new) <= WIDTH and "\n" not in old + new:
        return old, new
    before, after = _words(old), _words(new)
    start = _in_common(before, after)
    end = _in_common(before[start:][::-1], after[start:][::-1])
    shown = _part(before, start, end), _part(after, start, end)
    return shown if shown[0] != shown[1] else _by_letters(old, new)


def _by_letters(old: str, new: str) -> tuple[str, str]:
    """For texts without blanks, or that differ in nothing else."""
    at = max(_in_common(old, new) - WIDTH // 2, 0)
    first, second = ((_MORE if at else "") + _cut(text[at:]) for text in (old, new))
    return first, second


def _words(text: str) -> list[str]:
    return re.split(r"\s+", text.strip())


def _in_common(one: Sequence[str], other: Sequence[str]) -> int:
    for at, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return at
    return min(len(one), len(other))


def _part(words: list[str], start: int, end: int) -> str:
    """The words between what is common, with one of it on either side."""
    first, last = max(start - 1, 0), min(len(words) - end + 1, len(words))
    text = _cut(" ".join(words[first:last]))
    return f"{_MORE + ' ' if first else ''}{text}{' ' + _MORE if last < len(words) else ''}"


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + _MORE
