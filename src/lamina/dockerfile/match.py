"""Wildcards of COPY and ADD: Go's filepath.Match, with its errors, and filepath.Clean.

`*` and `?` match within one path component; `[a-z]` and `[^a]` are classes; a backslash escapes. A star
that has found its place is not moved again, so that no pattern takes exponential time.
"""

from __future__ import annotations

from typing import NamedTuple

from lamina.errors import InvalidInput


class BadPattern(InvalidInput):
    """The pattern is malformed: an open or empty class, or a backslash at its end."""

    def __init__(self, pattern: str) -> None:
        super().__init__(f"syntax error in pattern {pattern!r}")


class Class(NamedTuple):
    """One character that must, or must not, lie in one of the ranges (both ends count)."""

    negated: bool
    ranges: tuple[tuple[str, str], ...]

    def has(self, char: str) -> bool:
        """Whether `char` matches."""
        return any(low <= char <= high for low, high in self.ranges) is not self.negated


Token = str | Class  # "*", "?", a Class, or "=" and an ordinary character


def match(pattern: str, name: str) -> bool:
    """Whether all of `name` matches `pattern`. Raises BadPattern, also when the name would not match."""
    tokens = tokenize(pattern)
    at = position = 0
    star, resume = -1, 0
    while True:
        if at < len(tokens) and tokens[at] == "*":
            star, resume, at = at, position, at + 1
        elif position == len(name):
            return at == len(tokens)
        elif at < len(tokens) and fits(tokens[at], name[position]):
            at, position = at + 1, position + 1
        elif star >= 0 and name[resume] != "/":
            resume += 1
            at, position = star + 1, resume
        else:
            return False


def tokenize(pattern: str) -> list[Token]:
    """The parts of `pattern`. Raises BadPattern."""
    tokens: list[Token] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "[":
            part, position = _class(pattern, position)
            tokens.append(part)
        elif char in "*?":
            tokens.append(char)
        elif char != "\\":
            tokens.append("=" + char)
        elif position == len(pattern):
            raise BadPattern(pattern)
        else:
            tokens.append("=" + pattern[position])
            position += 1
    return tokens


def has_wildcard(pattern: str) -> bool:
    """Whether `pattern` has a `*`, `?` or `[` that is not escaped."""
    position = 0
    while position < len(pattern):
        if pattern[position] in "*?[":
            return True
        position += 2 if pattern[position] == "\\" else 1
    return False


def clean(path: str) -> str:
    """The shortest name of a path, by its text alone (Go's filepath.Clean); "." for nothing."""
    rooted = path.startswith("/")
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if parts and parts[-1] != "..":
                parts.pop()
            elif not rooted:
                parts.append(part)
        elif part not in ("", "."):
            parts.append(part)
    return "/" * rooted + "/".join(parts) or "."


def fits(token: Token, char: str) -> bool:
    """Whether one character matches one token that is not a star."""
    if isinstance(token, Class):
        return token.has(char)
    return char != "/" if token == "?" else token[1:] == char


def _class(pattern: str, position: int) -> tuple[Class, int]:
    """The class whose `[` is just before `position`, and where it ends."""
    negated = pattern.startswith("^", position)
    position += negated
    ranges: list[tuple[str, str]] = []
    while not (ranges and pattern.startswith("]", position)):
        low, position = _class_character(pattern, position)
        high = low
        if pattern.startswith("-", position):
            high, position = _class_character(pattern, position + 1)
        ranges.append((low, high))
    return Class(negated, tuple(ranges)), position + 1


def _class_character(pattern: str, position: int) -> tuple[str, int]:
    char = pattern[position : position + 1]
    if char in ("", "-", "]"):
        raise BadPattern(pattern)
    if char == "\\":
        position += 1
        char = pattern[position : position + 1]
    if position + 1 >= len(pattern):
        raise BadPattern(pattern)
    return char, position + 1
