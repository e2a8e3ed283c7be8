"""The commands that a RUN runs, as far as they can be told without running it.

A rough reading of sh: words, quotes, what separates commands. Variables and substitutions stay as they
are written, so a check that looks for `rm -rf /var/cache` sees it wherever it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.dockerfile.heredoc import heredoc_word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.dockerfile.instructions import Run

_SEPARATORS = frozenset(";&|\n()")
_BLANKS = frozenset(" \t\r")
_BEFORE = frozenset(("!", "{", "do", "else", "exec", "if", "sudo", "then", "time", "until", "while"))
_SHELLS = frozenset(("ash", "bash", "dash", "sh", "zsh"))
_MOST_NESTED = 4  # sh -c "sh -c '...'"


class Command(NamedTuple):
    """One command: its words without quotes, and the variables that were set for it alone."""

    words: tuple[str, ...]
    env: tuple[str, ...] = ()

    @property
    def program(self) -> str:
        """The name of the program, without its folder."""
        return self.words[0].rpartition("/")[2]

    @property
    def operands(self) -> tuple[str, ...]:
        """The words after the program that are no flags."""
        return tuple(word for word in self.words[1:] if not word.startswith("-"))

    @property
    def flags(self) -> tuple[str, ...]:
        """The words that begin with `-`."""
        return tuple(word for word in self.words[1:] if word.startswith("-"))

    def __str__(self) -> str:
        return " ".join(self.words)


def commands_of(run: Run) -> list[Command]:
    """The commands of a RUN in the order in which they stand."""
    if not isinstance(run.command, str):
        return list(_unwrapped(Command(run.command), 0)) if run.command else []
    text = run.command
    if run.heredocs and heredoc_word(text) is not None:
        text = run.heredocs[0].text
    return list(_commands(text, 0))


def _commands(text: str, depth: int) -> Iterator[Command]:
    for words in _split(text):
        at = 0
        while at < len(words) and (words[at] in _BEFORE or _is_assignment(words[at])):
            at += 1
        if at < len(words):
            env = tuple(word for word in words[:at] if _is_assignment(word))
            yield from _unwrapped(Command(tuple(words[at:]), env), depth)


def _unwrapped(command: Command, depth: int) -> Iterator[Command]:
    """The command, or those that `sh -c TEXT` stands for."""
    words = command.words
    script = next((i for i, word in enumerate(words) if word.startswith("-") and word.endswith("c")), 0)
    if command.program in _SHELLS and 0 < script < len(words) - 1 and depth < _MOST_NESTED:
        yield from _commands(words[script + 1], depth + 1)
    else:
        yield command


def _is_assignment(word: str) -> bool:
    name, equals, _ = word.partition("=")
    return bool(equals) and name.isidentifier()


def _split(text: str) -> Iterator[list[str]]:
    """The words of each command."""
    words: list[str] = []
    word: list[str] | None = None
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if char in _BLANKS or _separates(text, position - 1):
            if word is not None:
                words.append("".join(word))
            word = None
            if char not in _BLANKS:
                if words:
                    yield words
                words = []
        elif char == "\\" and text.startswith("\n", position):
            position += 1
        elif char == "#" and word is None:
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
        else:
            word = word or []
            position = _piece(text, position, word)
    if word is not None:
        words.append("".join(word))
    if words:
        yield words


def _separates(text: str, position: int) -> bool:
    """Whether the character ends a command; the `&` of `2>&1` does not."""
    char = text[position]
    return char in _SEPARATORS and not (char == "&" and position and text[position - 1] in "<>")


def _piece(text: str, position: int, word: list[str]) -> int:
    """Adds the character before `position`, or what it quotes, to the word; returns where to go on."""
    char = text[position - 1]
    if char == "\\":
        word.append(text[position : position + 1])
        return position + 1
    if char not in "'\"":
        word.append(char)
        return position
    while position < len(text) and text[position] != char:
        if char == '"' and text[position] == "\\" and text[position + 1 : position + 2] in ('"', "\\", "$"):
            position += 1
        word.append(text[position : position + 1])
        position += 1
    return position + 1
