"""Shell patterns as find's -name and -path read them: `*` and `?` match any character, `/` and `.` too."""

from __future__ import annotations

import re

from lamina.errors import InvalidInput

_CLASSES = {  # of ASCII, as in the C locale
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\s",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}
_CLASS = re.compile(r"\[:([a-z]+):\]")


def glob(pattern: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """The regular expression (for fullmatch) of a shell pattern; a `[` that is never closed is itself."""
    parts, at = [""], 0  # what stands between the stars
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            parts.append("")
        elif char == "?":
            parts[-1] += "."
        elif char == "\\" and at < len(pattern):
            parts[-1] += re.escape(pattern[at])
            at += 1
        elif char == "[" and (end := end_of_bracket(pattern, at)) > 0:
            parts[-1] += bracket(pattern[at:end], escapes=True)
            at = end + 1
        else:
            parts[-1] += re.escape(char)
    return re.compile(_starred(*parts), re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _starred(first: str, *parts: str) -> str:
    """Where a star follows, the first place that fits is as good as any: no other is tried (`(?>`).

    Else a name that is made for it takes as long as its length to the power of the number of stars.
    """
    if not parts:
        return first
    return first + "".join([f"(?>.*?{part})" for part in parts[:-1] if part]) + f".*{parts[-1]}"


def shell_pattern(text: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """The same for a pattern that a user wrote. InvalidInput."""
    try:
        return glob(text, ignore_case=ignore_case)
    except (ValueError, re.error) as error:
        raise InvalidInput(f"invalid pattern {text!r}: {error}") from None


def end_of_bracket(text: str, at: int) -> int:
    """Where the `]` stands that ends the bracket expression whose content begins at `at`; -1 for none."""
    start = at + (text[at : at + 1] in ("!", "^"))
    at = start
    while at < len(text):
        found = _CLASS.match(text, at)
        if found:
            at = found.end()
        elif text[at] == "]" and at > start:
            return at
        else:
            at += 1
    return -1


def bracket(content: str, *, escapes: bool) -> str:
    """A bracket expression of POSIX, without its brackets, as Python's; ValueError for an unknown class.

    With `escapes` a backslash takes the meaning of what follows it away, else it is a character itself.
    """
    negated = content[:1] in ("!", "^") if escapes else content[:1] == "^"
    out, at = "", int(negated)
    while at < len(content):
        found = _CLASS.match(content, at)
        if found:
            if found[1] not in _CLASSES:
                raise ValueError(f"unknown character class [:{found[1]}:]")
            out += _CLASSES[found[1]]
            at = found.end()
            continue
        char = content[at]
        if escapes and char == "\\" and at + 1 < len(content):
            at += 1
            char = content[at]
        out += char if char == "-" and 0 < at < len(content) - 1 else re.escape(char)
        at += 1
    return f"[{'^' * negated}{out}]"
