"""Regular expressions of POSIX (grep's basic and extended ones) as Python's; they select the same lines.

Which of several matches in a line is the longest does not matter here. Of GNU's there are `\\<`, `\\>`,
`\\b`, `\\w`, `\\s` and their opposites, and in basic expressions `\\+`, `\\?` and `\\|`.
"""

from __future__ import annotations

import re

from lamina.errors import InvalidInput
from lamina.insight.files.glob import bracket, end_of_bracket

_NO_TEXT = r"\udc80-\udcff"  # bytes that are not UTF-8 (surrogateescape): no `.` matches them
_SAME = {"b": r"\b", "B": r"\B", "w": r"\w", "W": rf"[^\w{_NO_TEXT}]", "s": r"\s", "S": rf"[^\s{_NO_TEXT}]"}
_SPECIAL = {"<": r"\b(?=\w)", ">": r"\b(?<=\w)", "`": r"\A", "'": r"\Z"}
_COUNT = re.compile(r"([0-9]{0,5})(?:(,)([0-9]{0,5}))?")


def translate(pattern: str, *, extended: bool) -> str:
    """The same as a pattern of Python's re. InvalidInput for what no such expression can be."""
    return _Reader(pattern, extended).read()


class _Reader:
    """Reads a pattern from its start to its end."""

    def __init__(self, pattern: str, extended: bool) -> None:
        self._pattern = pattern
        self._extended = extended
        self._at = 0
        self._depth = 0
        self._fresh = True  # at the beginning of an expression, where * and ^ mean something else

    def read(self) -> str:
        out = ""
        while self._at < len(self._pattern):
            out += self._next()
        if self._depth:
            raise _wrong("Unmatched ( or \\(")
        return out

    def _next(self) -> str:
        char = self._pattern[self._at]
        self._at += 1
        fresh, self._fresh = self._fresh, False
        if char == "[":
            return self._bracket()
        if char == "\\":
            return self._escaped(fresh)
        if char in ".$^":
            return self._anchor(char, fresh)
        if char == "*":
            self._fresh = fresh
            return ("" if self._extended else r"\*") if fresh else "*"
        if self._extended and char in "()|{}+?":
            return self._operator(char, fresh)
        return re.escape(char)

    def _bracket(self) -> str:
        end = end_of_bracket(self._pattern, self._at)
        if end < 0:
            raise _wrong("Unmatched [, [^, [:, [., or [=")
        content, self._at = self._pattern[self._at : end], end + 1
        try:
            found = bracket(content, escapes=False)
        except ValueError as error:
            raise _wrong(str(error)) from None
        return f"[^{_NO_TEXT}{found[2:]}" if content.startswith("^") else found

    def _escaped(self, fresh: bool) -> str:
        if self._at == len(self._pattern):
            raise _wrong("Trailing backslash")
        char = self._pattern[self._at]
        self._at += 1
        if not self._extended and char in "(){}|+?":
            return self._operator(char, fresh)
        if char in "123456789":
            return f"(?:\\{char})"
        return _SAME.get(char) or _SPECIAL.get(char) or re.escape(char)

    def _anchor(self, char: str, fresh: bool) -> str:
        if char == "." or self._extended:
            self._fresh = char == "^"
            return rf"[^\n{_NO_TEXT}]" if char == "." else char
        if char == "^":
            self._fresh = fresh
            return "^" if fresh else r"\^"
        rest = self._pattern[self._at :]
        return "$" if not rest or rest.startswith((r"\)", r"\|")) else r"\$"

    def _operator(self, char: str, fresh: bool) -> str:
        if char == "(":
            self._depth += 1
            self._fresh = True
            return "("
        if char == ")":
            if not self._depth:
                if self._extended:
                    return r"\)"
                raise _wrong("Unmatched ) or \\)")
            self._depth -= 1
            return ")"
        if char == "|":
            self._fresh = True
            return "|"
        if char == "{":
            return self._count(fresh)
        if char == "}":
            return r"\}"
        return re.escape(char) if fresh else char

    def _count(self, fresh: bool) -> str:
        """`{2}`, `{2,}`, `{,5}`, `{2,5}`; in an extended expression anything else is a brace."""
        found = _COUNT.match(self._pattern, self._at)
        assert found is not None
        close = "}" if self._extended else "\\}"
        good = (found[1] or found[2]) and self._pattern.startswith(close, found.end())
        if not good or fresh:
            if self._extended:
                return r"\{"
            raise _wrong("Invalid content of \\{\\}" if not fresh else "Invalid preceding regular expression")
        self._at = found.end() + len(close)
        least, most = int(found[1] or 0), int(found[3] or 0) if found[2] and found[3] else None
        if max(least, most or 0) > 32767 or (most is not None and least > most):
            raise _wrong("Invalid content of \\{\\}")
        return f"{{{least}}}" if not found[2] else f"{{{least},{'' if most is None else most}}}"


def _wrong(what: str) -> InvalidInput:
    return InvalidInput(f"grep: {what}")
