"""From the bytes of a Dockerfile to logical lines: line endings, directives, comments, continuations.

Follows BuildKit's reader: a byte order mark is dropped, white space before an instruction too, an
escape character at the end of a line joins the next one, comments and empty lines between joined
lines vanish, and a physical line has at most 65,535 bytes.
"""

from __future__ import annotations

from typing import NamedTuple

from lamina.dockerfile.source import DockerfileError, Fault, SourceRange, error_at, quote
from lamina.dockerfile.words import SPACE

MAX_LINE = 65_535  # bytes
MAX_FILE = 16 * 1024 * 1024  # bytes; what fits one message between BuildKit's client and frontend
_DIRECTIVES = ("syntax", "escape", "check")
_DIRECTIVE_SPACE = "\t\n\f\r "


class LogicalLine(NamedTuple):
    """An instruction's text after joining, still without its heredoc bodies, and the lines it covers."""

    text: str
    start: int
    end: int


def without_continuation(line: str, escape: str) -> str | None:
    """`line` without the escape at its end, or None when it has none. A doubled one does not count."""
    text = line.rstrip(" \t")
    if not text.endswith(escape) or text[-2:-1] == escape:
        return None
    return text[:-1]


class Reader:
    """Walks over the lines of one Dockerfile; knows its directives as soon as they are read."""

    def __init__(self, data: bytes, name: str) -> None:
        if len(data) > MAX_FILE:
            raise DockerfileError(
                f"the file is larger than {MAX_FILE >> 20} MiB", file=name, line=1, column=1
            )
        # Bytes that are not UTF-8 stay what they are all the way to paths and arguments.
        text = data.decode("utf-8", "surrogateescape")
        self.name = name
        lines = text.removeprefix("\ufeff").split("\n")
        if not lines[-1]:
            lines.pop()
        self.lines = tuple(lines)
        self.directives: dict[str, str] = {}
        self.escape = "\\"
        self._next = 0  # index of the physical line to read next
        self._may_be_directive = True

    def next_line(self) -> LogicalLine | None:
        """The next instruction's logical line; None at the end of the file."""
        while self._next < len(self.lines):
            line = self._take().lstrip(SPACE)
            if self._may_be_directive:
                self._directive(line)
            if line and line[0] != "#":
                return self._join(line)
        return None

    def _take(self) -> str:
        """The next physical line without its line ending."""
        line = self.lines[self._next]
        self._next += 1
        if len(line) > MAX_LINE // 4 and len(line.encode("utf-8", "surrogateescape")) > MAX_LINE:
            raise self.error(
                SourceRange(self._next, self._next),
                Fault(f"dockerfile line greater than max allowed size of {MAX_LINE}"),
            )
        return line.rstrip("\r")

    def _join(self, line: str) -> LogicalLine:
        start = self._next
        text = without_continuation(line, self.escape)
        if text is None:
            return LogicalLine(line, start, start)
        parts = [text]
        while self._next < len(self.lines):
            line = self._take()
            content = line.lstrip(SPACE)
            if not content or content[0] == "#":
                continue
            text = without_continuation(line, self.escape)
            parts.append(line if text is None else text)
            if text is None:
                break
        return LogicalLine("".join(parts), start, self._next)

    def _directive(self, line: str) -> None:
        """Directives stand at the very top; the first line that is none ends them."""
        self._may_be_directive = False
        if not line.startswith("#"):
            return
        name, equals, value = line[1:].lstrip(SPACE).partition("=")
        name, value = name.rstrip(_DIRECTIVE_SPACE).lower(), value.strip(_DIRECTIVE_SPACE)
        if not equals or not value or name not in _DIRECTIVES:
            return
        here = SourceRange(self._next, self._next)
        if name in self.directives:
            raise self.error(here, Fault(f"only one {name} parser directive can be used"))
        if name == "escape":
            if value not in ("\\", "`"):
                detail = f"invalid escape token {quote(value)}: it does not match ` or \\"
                raise self.error(here, Fault(detail, at=value, hint="write # escape=` or leave the line out"))
            self.escape = value
        self.directives[name] = value
        self._may_be_directive = True

    def heredoc_body(self, terminator: str, chomp: bool) -> str:
        """The lines up to the one that is `terminator`, line endings kept; Fault when it never comes."""
        first = self._next
        while self._next < len(self.lines):
            line = self._take()
            if (line.lstrip("\t") if chomp else line) == terminator:
                body = self.lines[first : self._next - 1]
                return "\n".join(body) + "\n" if body else ""
        raise Fault(
            "unterminated heredoc", at="<<", hint=f"end it with a line that is {terminator} and nothing else"
        )

    @property
    def position(self) -> int:
        """How many physical lines have been read."""
        return self._next

    def error(self, source: SourceRange, fault: Fault) -> DockerfileError:
        """The error that shows `fault` in these lines."""
        return error_at(self.name, self.lines, source, fault.detail, at=fault.at, hint=fault.hint)
