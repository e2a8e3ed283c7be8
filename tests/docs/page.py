"""Pages whose blocks are run: a ```console block is commands after `$ `, and what they print.

A page shows values that differ from one build to the next by their first digits and `…`: `sha256:3e1f…`.
The first time such a value matches any digest, from then on only that one. A lone `…` matches anything,
and how many blanks stand between two words does not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEX = "[0-9a-f]"
_VALUE = re.compile(
    rf"(?P<part>\b{_HEX}{{4}}…)|(?P<whole>\b(?:{_HEX}{{64}}|{_HEX}{{12}})\b)|(?P<any>…)"
    r"|(?P<number>[0-9][0-9.]*)|(?P<machine>\bamd64\b)"
)


class Command(NamedTuple):
    """One command of a page, the line it stands on, and the lines that it prints."""

    line: int
    text: str
    output: str


def commands(page: str) -> Iterator[Command]:
    """All commands of a page, in order."""
    for block in _BLOCK.finditer(page):
        first = page.count("\n", 0, block.start()) + 2
        lines = block[1].splitlines()
        starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
        assert starts and starts[0] == 0, f"line {first}: a block begins with a command"
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            yield Command(first + start, lines[start][2:], "\n".join(lines[start + 1 : end]))


class Values:
    """What the shortened values of a page stand for in this run."""

    def __init__(self, *, exact: bool) -> None:
        """Without `exact` digests and numbers that are shown whole, too, stand for whatever they are here."""
        self._exact = exact
        self._known: dict[str, str] = {}

    def match(self, expected: str, printed: str) -> bool:
        """Is `printed` what the page shows as `expected`?"""
        names: list[str] = []

        def pattern(text: str) -> str:
            found, end = "", 0
            for value in _VALUE.finditer(text):
                found += re.escape(text[end : value.start()]) + self._pattern(value, names)
                end = value.end()
            return found + re.escape(text[end:])

        matched = re.fullmatch(pattern(_blanks(expected)), _blanks(printed), re.DOTALL)
        return matched is not None and all(map(self._same, names, matched.groups()))

    def _pattern(self, value: re.Match[str], names: list[str]) -> str:
        if value["any"] is not None:
            return ".*?"
        if value["part"] is None and self._exact:
            return re.escape(value[0])
        if value["number"] is not None:
            return "[0-9.]+"
        if value["machine"] is not None:
            return r"\w+"
        names.append(value[0].rstrip("…")[:4])
        return rf"({_HEX}{{12,64}})"

    def _same(self, name: str, value: str) -> bool:
        known = self._known.setdefault(name, value)
        short, long = sorted((known, value), key=len)
        self._known[name] = long
        return long.startswith(short)


def _blanks(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.splitlines())
