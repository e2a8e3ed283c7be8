"""Cutting a logical line into command, flags and arguments, each shape of argument in its own way.

The shapes are BuildKit's (frontend/dockerfile/parser): words between blanks, words that keep their
quotes, a JSON array of strings or the rest of the line, name and value pairs.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from lamina.dockerfile.source import Fault, quote

# Unicode's White_Space: what BuildKit trims. Python's own idea has four control characters more.
SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)

_ASCII_SPACE = "\t\n\v\f\r "  # what ends a flag, or the type of a HEALTHCHECK
_BLANKS = re.compile("[\t\v\f\r ]+")
_patterns: dict[str, re.Pattern[str]] = {}  # made when first needed: most builds need one of them


class Command(NamedTuple):
    """A logical line cut in three: the instruction as written, its flags, the rest without blanks around."""

    word: str
    flags: tuple[str, ...]
    rest: str


def split_command(line: str, escape: str) -> Command:
    """Cuts off the first word and the flags after it."""
    parts = _BLANKS.split(line.strip(SPACE), maxsplit=1)
    if len(parts) == 1:
        return Command(parts[0], (), "")
    if not parts[1].startswith("--"):
        return Command(parts[0], (), parts[1].strip(SPACE))
    flags, rest = split_flags(parts[1], escape)
    return Command(parts[0], flags, rest.strip(SPACE))


def split_flags(text: str, escape: str) -> tuple[tuple[str, ...], str]:
    """Takes the leading words that begin with `--`; quotes and escapes in them are resolved.

    The first other word ends them; a bare `--` ends them too and is dropped.
    """
    flags: list[str] = []
    position = 0
    while True:
        while position < len(text) and text[position] in _ASCII_SPACE:
            position += 1
        if not text.startswith("--", position):
            return tuple(flags), text[position:]
        word, position = _flag_word(text, position, escape)
        if word == "--":
            return tuple(flags), text[position:]
        flags.append(word)


def _flag_word(text: str, position: int, escape: str) -> tuple[str, int]:
    """One word from `position`, without its quotes and escapes, and where it ends."""
    out: list[str] = []
    inside = ""
    while position < len(text):
        char = text[position]
        if char == escape:
            position += 1
            out.append(text[position : position + 1])
        elif inside:
            if char == inside:
                inside = ""
            else:
                out.append(char)
        elif char in _ASCII_SPACE:
            break
        elif char in "'\"":
            inside = char
        else:
            out.append(char)
        position += 1
    return "".join(out), min(position, len(text))


def shape(keyword: str, rest: str, escape: str) -> tuple[tuple[str, ...], bool]:
    """The arguments in the shape that `keyword` asks for, and whether they came as JSON."""
    if keyword in ("RUN", "CMD", "ENTRYPOINT", "SHELL"):
        return json_or_text(rest)
    if keyword in ("COPY", "ADD", "VOLUME"):
        return json_or_words(rest)
    if keyword in ("ENV", "LABEL"):
        return pairs(keyword, rest, escape), False
    if keyword == "ARG":
        return tuple(quoted_words(rest, escape)), False
    if keyword in ("FROM", "EXPOSE"):
        return blank_words(rest), False
    if keyword == "HEALTHCHECK":
        return typed_command(rest)
    return ((rest,) if rest else ()), False


def typed_command(rest: str) -> tuple[tuple[str, ...], bool]:
    """A type and a command in exec or shell form (HEALTHCHECK)."""
    kind = rest
    for position, char in enumerate(rest):
        if char in _ASCII_SPACE:
            kind = rest[:position]
            break
    if not kind:
        return (), False
    args, is_json = json_or_text(rest[len(kind) :].lstrip(_ASCII_SPACE))
    return (kind, *args), is_json


def blank_words(rest: str) -> tuple[str, ...]:
    """Words between blanks; quotes mean nothing (FROM, EXPOSE, COPY in its shell form)."""
    return tuple(_BLANKS.split(rest)) if rest else ()


def quoted_words(rest: str, escape: str) -> list[str]:
    """Words between white space outside quotes; quotes and escapes stay (ARG, ENV, LABEL)."""
    pattern = _patterns.get(escape)
    if pattern is None:
        mark = re.escape(escape)
        pattern = _patterns[escape] = re.compile(
            rf"""(?:[^{SPACE}'"{mark}]++|{mark}.|"(?:[^"{mark}]++|{mark}.)*+"?|'[^']*+'?)++""", re.DOTALL
        )
    return pattern.findall(rest)


def pairs(keyword: str, rest: str, escape: str) -> tuple[str, ...]:
    """ENV and LABEL: name, value and separator ("=", or "" in the old form) of each pair, flattened."""
    words = quoted_words(rest, escape)
    if not words:
        return ()
    if "=" not in words[0]:
        parts = _BLANKS.split(rest, maxsplit=1)
        if len(parts) < 2:
            raise Fault(f"{keyword} must have two arguments", at=rest, hint=f"write {keyword} name=value")
        return (parts[0], parts[1], "")
    out: list[str] = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise Fault(
                f"Syntax error - can't find = in {quote(word)}. Must be of the form: name=value",
                at=word,
                hint="put a value with spaces in quotes",
            )
        out += (name, value, "=")
    return tuple(out)


def json_or_text(rest: str) -> tuple[tuple[str, ...], bool]:
    """The exec form, or else the whole rest as one argument (RUN, CMD, ENTRYPOINT, SHELL)."""
    if not rest:
        return (), False
    array = json_strings(rest)
    return ((rest,), False) if array is None else (array, True)


def json_or_words(rest: str) -> tuple[tuple[str, ...], bool]:
    """A JSON array, or else words between blanks (COPY, ADD, VOLUME)."""
    array = json_strings(rest)
    return (blank_words(rest), False) if array is None else (array, True)


def json_strings(rest: str) -> tuple[str, ...] | None:
    """The strings of a JSON array; None when `rest` is no JSON array. Fault when not all are strings."""
    if not rest.startswith("["):
        return None
    try:
        array = _decoder.decode(rest)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(item, str) for item in array):
        raise Fault(
            "when using JSON array syntax, arrays must be comprised of strings only",
            at="[",
            hint="put each argument in double quotes",
        )
    return tuple(_without_surrogates(item) for item in array)


def _number(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("out of range")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's


def _without_surrogates(text: str) -> str:
    """Half of a \\u pair names no character: it becomes U+FFFD. Bytes that were not UTF-8 stay."""
    if text.isascii():
        return text
    return "".join(
        "\ufffd" if "\ud800" <= char <= "\udfff" and not "\udc80" <= char <= "\udcff" else char
        for char in text
    )


_decoder = json.JSONDecoder(parse_float=_number, parse_int=_number, parse_constant=_no_constant)
