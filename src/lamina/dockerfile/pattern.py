"""Shell patterns of `${name#pattern}` and its kin: `*`, `?` and backslash escapes, no brackets.

A pattern is cut at its stars into blocks; blocks are sought one after the other and never given back,
so that no pattern takes exponential time. Neither `*` nor `?` matches a newline.
"""

from __future__ import annotations

import re

from lamina.dockerfile.expand import MAX_RESULT, ExpandError


def trim_prefix(value: str, pattern: str, longest: bool) -> str:
    """`value` without the shortest or longest prefix that matches."""
    end = _end_of_match(value, _blocks(_tokens(pattern)), 0, longest)
    return value if end is None else value[end:]


def trim_suffix(value: str, pattern: str, longest: bool) -> str:
    """`value` without the shortest or longest suffix that matches: a prefix of it all, reversed."""
    tokens = _tokens(pattern)[::-1]
    end = _end_of_match(value[::-1], _blocks(tokens), 0, longest)
    return value if end is None else value[: len(value) - end]


def replace(value: str, pattern: str, replacement: str, every: bool) -> str:
    """`value` with the first longest match, or each one from left to right, replaced."""
    blocks = _blocks(_tokens(pattern))
    out: list[str] = []
    copied = position = 0
    room = MAX_RESULT
    while (found := _search(value, blocks, position)) is not None:
        start, end = found
        out.append(value[copied:start])
        if end > copied or start == 0:  # an empty match right after another match does not count
            out.append(replacement)
            room -= len(replacement)
        if room < 0:
            raise ExpandError(f"the result is longer than {MAX_RESULT >> 20} MiB")
        copied = end
        position = max(end, position + 1)
        if not every:
            break
    return "".join(out) + value[copied:]


def _tokens(pattern: str) -> list[str]:
    """One regular expression for each character; "*" stands for a star."""
    tokens: list[str] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            tokens.append("*")
        elif char == "?":
            tokens.append(".")
        elif char != "\\":
            tokens.append(re.escape(char))
        elif pattern[position : position + 1] not in ("}", "/"):
            escaped = pattern[position : position + 1]
            if not escaped or escaped not in "*?\\":
                raise ExpandError(
                    f"invalid pattern ({pattern}) in substitution: invalid escape '\\{escaped}'"
                )
            tokens.append(re.escape(escaped))
            position += 1
    return tokens


def _blocks(tokens: list[str]) -> list[re.Pattern[str]]:
    """The pieces between the stars; each but the first may begin anywhere on the line it is sought on."""
    pieces = [""]
    for token in tokens:
        if token == "*":
            pieces.append("")
        else:
            pieces[-1] += token
    return [re.compile(piece if number == 0 else f".*?{piece}") for number, piece in enumerate(pieces)] + [
        re.compile(f".*{pieces[-1]}" if len(pieces) > 1 else pieces[-1])
    ]


def _end_of_match(value: str, blocks: list[re.Pattern[str]], start: int, longest: bool) -> int | None:
    """Where the match that begins at `start` ends. The last block is the greedy form of the one before."""
    *each, shortest, greedy = blocks
    end = start
    for block in [*each, greedy if longest else shortest]:
        found = block.match(value, end)
        if found is None:
            return None
        end = found.end()
    return end


def _search(value: str, blocks: list[re.Pattern[str]], start: int) -> tuple[int, int] | None:
    """The leftmost match from `start` on, as long as it can be."""
    while start <= len(value):
        found = blocks[0].search(value, start)
        if found is None:
            return None
        end = _end_of_match(value, blocks, found.start(), True)
        if end is not None:
            return found.start(), end
        # What comes after the first star is not on this line: no later start on it can match.
        newline = value.find("\n", found.end())
        if newline < 0:
            return None
        start = newline + 1
    return None
