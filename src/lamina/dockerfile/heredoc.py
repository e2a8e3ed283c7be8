"""Heredocs: finding `<<NAME` words in a line, and what a heredoc is once its lines are read."""

from __future__ import annotations

from typing import NamedTuple

from lamina.dockerfile.expand import ExpandError, lex_words

_DIGITS = frozenset("0123456789")
_MAX_DESCRIPTOR = 2**64 - 1


class Heredoc(NamedTuple):
    """One heredoc of RUN, COPY or ADD.

    `content` is as written, line endings included; `expand` is False when the name was quoted; `chomp`
    is the `-` of `<<-NAME`; `fd` is the number before `<<`, 0 when there is none.
    """

    name: str
    content: str
    expand: bool
    chomp: bool
    fd: int

    @property
    def text(self) -> str:
        """The content as a file has it: without the tabs before each line when `chomp` is set."""
        if not self.chomp:
            return self.content
        return "\n".join(line.lstrip("\t") for line in self.content.split("\n"))


def heredocs_of(line: str) -> list[Heredoc]:
    """The heredocs that a logical line announces, in order, still without content.

    A line that cannot be cut into shell words (an open quote) announces none: its shell will say so.
    """
    try:
        words = lex_words(line, keep_quotes=True, keep_escapes=True)
    except ExpandError:
        return []
    found = (heredoc_word(word) for word in words if "<<" in word)
    return [heredoc for heredoc in found if heredoc is not None]


def heredoc_word(word: str) -> Heredoc | None:
    """What `word` announces when it is digits, `<<`, an optional `-` and a name; else None."""
    number, arrows, name = word.partition("<<")
    if not arrows or "<" in name or not _DIGITS.issuperset(number):
        return None
    chomp = name.startswith("-")
    name = name[chomp:]
    if not name:
        return None
    try:
        bare = lex_words(name)
        raw = lex_words(name, keep_quotes=True)
    except ExpandError:
        return None
    if len(bare) != 1 or len(raw) != 1:
        return None
    quoted = _quotes(bare[0]) != _quotes(raw[0])
    fd = min(int(number[:25]), _MAX_DESCRIPTOR) if number else 0
    return Heredoc(bare[0], "", not quoted, chomp, fd)


def _quotes(word: str) -> int:
    return word.count("'") + word.count('"')
