"""Paragraphs of `Name: value` lines: dpkg's status, Debian's copyright files, Python's METADATA."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of a text, which blank lines part."""
    for paragraph in re.split(r"\n[ \t]*\n", text):
        if paragraph.strip():
            yield paragraph


def reader(names: Iterable[str]) -> re.Pattern[str]:
    """What `fields` needs to find these fields."""
    return re.compile(rf"^({'|'.join(map(re.escape, names))}):[ \t]*(.*)$", re.MULTILINE | re.IGNORECASE)


def fields(pattern: re.Pattern[str], paragraph: str) -> dict[str, str]:
    """The first line of each field that `pattern` is for, by name in small letters; of two the first."""
    found: dict[str, str] = {}
    for name, value in pattern.findall(paragraph):
        found.setdefault(name.lower(), value.strip())
    return found
