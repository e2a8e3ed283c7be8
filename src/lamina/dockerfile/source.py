"""Where in a Dockerfile something stands, and the errors that point at it.

A DockerfileError carries file, line, column and the source line, so that the command line can show
the place with a caret. Inside this room functions raise `Fault`, which knows only what is wrong and
which word it is about; the parser, which has the lines, turns it into a DockerfileError.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from lamina.errors import InvalidInput

_EXCERPT_WIDTH = 120  # characters of a source line that an excerpt shows


class SourceRange(NamedTuple):
    """First and last line of an instruction, both counted from 1; heredoc bodies are inside."""

    start_line: int
    end_line: int


class DockerfileError(InvalidInput):
    """The Dockerfile cannot be used as it is.

    `message` is `FILE:LINE:COLUMN: detail`; line and column (in characters) count from 1.
    `source` is the line itself, without its line ending.
    """

    def __init__(
        self,
        detail: str,
        *,
        file: str,
        line: int,
        column: int,
        source: str = "",
        hint: str | None = None,
    ) -> None:
        super().__init__(f"{file}:{line}:{column}: {printable(detail)}", hint=hint)
        self.detail = printable(detail)
        self.file = file
        self.line = line
        self.column = column
        self.source = source

    def excerpt(self) -> str:
        """Two lines: the source line with its number, and a caret below the place."""
        first = max(0, self.column - 1 - _EXCERPT_WIDTH // 2) if len(self.source) > _EXCERPT_WIDTH else 0
        shown = printable(self.source[first : first + _EXCERPT_WIDTH])
        before = printable(self.source[first : self.column - 1])
        blank = "".join("\t" if char == "\t" else " " for char in before)
        number = f"{self.line:>4} | "
        return f"{number}{shown}\n{' ' * (len(number) - 2)}| {blank}^"


class Fault(Exception):
    """What is wrong with one instruction; `at` is the word to point at, as it stands in the source."""

    def __init__(self, detail: str, *, at: str | None = None, hint: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.at = at
        self.hint = hint


class Located(Protocol):
    """Anything that knows its place: every instruction."""

    @property
    def source(self) -> SourceRange:
        """Where it stands."""


class Lines(Protocol):
    """What has a name and source lines: a parsed Dockerfile."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def lines(self) -> tuple[str, ...]:
        """Its text."""


def locate(
    dockerfile: Lines, instruction: Located, detail: str, *, at: str | None = None, hint: str | None = None
) -> DockerfileError:
    """Makes the error for a problem that a later room finds with `instruction`; the caller raises it.

    `at` is the word to point at (a flag, a path, a stage name), as written; without it, or when it is
    not there, the error points at the instruction's first word.
    """
    return error_at(dockerfile.name, dockerfile.lines, instruction.source, detail, at=at, hint=hint)


def error_at(
    name: str,
    lines: tuple[str, ...],
    source: SourceRange,
    detail: str,
    *,
    at: str | None = None,
    hint: str | None = None,
) -> DockerfileError:
    """The error for the word `at` inside `source`, or for the first word there."""
    line, column = _place(lines, source, at)
    text = lines[line - 1].rstrip("\r") if 0 < line <= len(lines) else ""
    return DockerfileError(detail, file=name, line=line, column=column, source=text, hint=hint)


def _place(lines: tuple[str, ...], source: SourceRange, at: str | None) -> tuple[int, int]:
    first = lines[source.start_line - 1] if 0 < source.start_line <= len(lines) else ""
    start = len(first) - len(first.lstrip())
    if not at:
        return source.start_line, start + 1
    loose: tuple[int, int] | None = None
    for number in range(source.start_line, min(source.end_line, len(lines)) + 1):
        text = lines[number - 1]
        # The instruction's own first word is what an error without `at` points at.
        found = text.find(at, start + 1 if number == source.start_line else 0)
        while found >= 0:
            if found == 0 or text[found - 1].isspace():
                return number, found + 1
            loose = loose or (number, found + 1)
            found = text.find(at, found + len(at))
    return loose or (source.start_line, start + 1)


def quote(text: str) -> str:
    """`text` in double quotes for a message, cut to a readable length."""
    short = text if len(text) <= 80 else text[:77] + "..."
    return '"' + short.replace("\\", "\\\\").replace('"', '\\"') + '"'


def printable(text: str) -> str:
    """`text` without what a terminal must not get: control characters and bytes that are not UTF-8."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in text
    )
