"""Cuts a --format template into its plain texts and the words of its actions."""

from __future__ import annotations

import re
from typing import NamedTuple

from lamina.cli.template_functions import TemplateError

_TOKEN = re.compile(
    r"""\s+ | (?P<string>"(?:[^"\\\n]|\\.)*" | `[^`]*`) | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<field>(?:\.\w+)+) | (?P<variable>\$\w*) | (?P<word>\w+) | (?P<sign>:=|[.()|=,])""",
    re.VERBOSE,
)
_ACTION = re.compile(
    r"""\{\{ (-\s)? \s* (/\*.*?\*/ | (?:"(?:[^"\\\n]|\\.)*" | `[^`]*` | [^"`])*?) \s* (\s-)? \}\}""",
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """One word of an action: its kind is the name of its group in _TOKEN."""

    kind: str
    text: str


def split(text: str) -> list[str | list[Token]]:
    """Cuts a template into its texts and the tokens of its actions, trimmed as {{- and -}} say."""
    pieces: list[str | list[Token]] = []
    place, trim = 0, False
    for match in _ACTION.finditer(text):
        plain = text[place : match.start()]
        if "{{" in plain:
            break
        plain = plain.lstrip() if trim else plain
        plain = plain.rstrip() if match[1] else plain
        if plain:
            pieces.append(plain)
        if not match[2].startswith("/*"):
            pieces.append(words(match[2]))
        place, trim = match.end(), bool(match[3])
    rest = text[place:]
    if "{{" in rest:
        raise TemplateError("unclosed action")
    pieces.append(rest.lstrip() if trim else rest)
    return pieces


def words(action: str) -> list[Token]:
    """The words of one action. TemplateError for what is none, or when there is none."""
    tokens, place = [], 0
    while place < len(action):
        match = _TOKEN.match(action, place)
        if match is None:
            raise TemplateError(f"unexpected {action[place]!r} in command")
        if match.lastgroup:
            tokens.append(Token(match.lastgroup, match[0]))
        place = match.end()
    if not tokens:
        raise TemplateError("missing value for command")
    return tokens
