"""Variables, quotes and escapes in the arguments of instructions: the subset of sh that BuildKit reads.

`$name`, `${name}`, `${name:-word}` `-` `:+` `+` `:?` `?`, `#` `##` `%` `%%`, `/` and `//`. White space
splits words only in `expand_words`, and only what is not quoted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from lamina.dockerfile.source import quote
from lamina.dockerfile.words import SPACE
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

Quotes = Literal["remove", "keep", "literal"]

_SPECIAL = re.compile(r"""[$'"}/`\\]""")
_SPACES = re.compile(f"[{SPACE}]+")
_PARAMETERS = frozenset("@*#?-$!0")
MAX_RESULT = (
    4 * 1024 * 1024
)  # characters that variables may bring into one text: `ENV A=$A$A` doubles each time
_MAX_DEPTH = 64  # `${a:-${b:-...}}` nested deeper than this is an attack, not a Dockerfile


class ExpandError(InvalidInput):
    """The text cannot be expanded: bad `${}`, an open quote, or `${name:?message}` that struck.

    `at` is the whole text, "" as long as that is not known.
    """

    def __init__(self, message: str, at: str = "") -> None:
        super().__init__(message)
        self.at = at


def expand(
    text: str,
    env: Mapping[str, str],
    escape: str = "\\",
    *,
    quotes: Quotes = "remove",
    missing: set[str] | None = None,
) -> str:
    """Returns `text` with variables replaced; names that `env` lacks go into `missing` and become "".

    `quotes`: "remove" them (arguments), "keep" them in the result but heed them, or take them as
    "literal" characters (the body of a COPY heredoc). Raises ExpandError.
    """
    if not _SPECIAL.search(text):
        return text.removeprefix("\ufeff")
    lexer = _Lexer(text, env, escape, missing)
    lexer.keep_quotes = quotes == "keep"
    lexer.literal_quotes = quotes == "literal"
    return lexer.whole(None)


def expand_words(
    text: str, env: Mapping[str, str], escape: str = "\\", *, missing: set[str] | None = None
) -> list[str]:
    """Like `expand`, but splits the result at white space that is not quoted (EXPOSE)."""
    words = _Words()
    _Lexer(text, env, escape, missing).whole(words)
    return words.finish()


def lex_words(text: str, *, keep_quotes: bool = False, keep_escapes: bool = False) -> list[str]:
    """The shell words of `text`, variables left as they are (heredoc names)."""
    words = _Words()
    lexer = _Lexer(text, {}, "\\", None)
    lexer.keep_quotes, lexer.raw_escapes, lexer.skip_unset = keep_quotes, keep_escapes, True
    lexer.whole(words)
    return words.finish()


class _Words:
    """Collects words; quoted pieces never split."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.parts: list[str] = []

    def quoted(self, text: str) -> None:
        if text:
            self.parts.append(text)

    def plain(self, text: str) -> None:
        first, *others = _SPACES.split(text)
        self.quoted(first)
        for piece in others:
            self.finish()
            self.quoted(piece)

    def finish(self) -> list[str]:
        if self.parts:
            self.words.append("".join(self.parts))
            self.parts = []
        return self.words


class _Lexer:
    """One pass over one text; `position` is the next character."""

    def __init__(self, text: str, env: Mapping[str, str], escape: str, missing: set[str] | None) -> None:
        self.text = text.removeprefix("\ufeff")
        self.position = 0
        self.env = env
        self.escape = escape
        self.missing = missing
        self.keep_quotes = False
        self.literal_quotes = False
        self.raw_escapes = False
        self.skip_unset = False
        self.depth = 0
        self.brought = 0  # characters from variables so far

    def whole(self, words: _Words | None) -> str:
        try:
            return self.until("", self.raw_escapes, words)
        except ExpandError as error:
            raise ExpandError(f"failed to process {quote(self.text)}: {error.message}", self.text) from None

    def until(self, stop: str, raw_escapes: bool, words: _Words | None = None) -> str:
        """Expands up to `stop`, which is consumed, or to the end of the text when `stop` is empty."""
        if self.depth > _MAX_DEPTH:
            raise ExpandError("substitutions are nested too deeply")
        outer, self.raw_escapes = self.raw_escapes, raw_escapes
        self.depth += 1
        out: list[str] = []
        while self.position < len(self.text):
            self._plain(out, words)
            if self.position == len(self.text):
                break
            if self.text[self.position] == stop:
                self.position += 1
                stop = ""
                break
            self._special(out, words)
        self.raw_escapes = outer
        self.depth -= 1
        if stop:
            raise ExpandError(f"unexpected end of statement while looking for matching {stop}")
        return "".join(out)

    def _plain(self, out: list[str], words: _Words | None) -> None:
        """Takes the characters before the next one that may mean something."""
        found = _SPECIAL.search(self.text, self.position)
        end = found.start() if found else len(self.text)
        if end > self.position:
            piece = self.text[self.position : end]
            self.position = end
            out.append(piece)
            if words:
                words.plain(piece)

    def _special(self, out: list[str], words: _Words | None) -> None:
        """Takes one variable, quoted piece, escaped or ordinary character."""
        char = self.text[self.position]
        splits = True
        if char == "$":
            piece = self._dollar()
            self._count(piece)
        elif char in "'\"" and not self.literal_quotes:
            piece = self._single() if char == "'" else self._double()
            splits = False
        elif char == self.escape:
            piece = self.text[self.position + (0 if self.raw_escapes else 1) : self.position + 2]
            self.position = min(self.position + 2, len(self.text))
            splits = False
        else:
            piece = char
            self.position += 1
        out.append(piece)
        if words:
            (words.plain if splits else words.quoted)(piece)

    def _count(self, piece: str) -> None:
        self.brought += len(piece)
        if self.brought > MAX_RESULT:
            raise ExpandError(f"the result is longer than {MAX_RESULT >> 20} MiB")

    def _single(self) -> str:
        end = self.text.find("'", self.position + 1)
        if end < 0:
            self.position = len(self.text)
            raise ExpandError("unexpected end of statement while looking for matching single-quote")
        start, self.position = self.position, end + 1
        return self.text[start : end + 1] if self.keep_quotes else self.text[start + 1 : end]

    def _double(self) -> str:
        """Between double quotes only `$`, `"` and the escape itself can be escaped."""
        mark = '"' if self.keep_quotes else ""
        out = [mark]
        self.position += 1
        while self.position < len(self.text):
            self._plain(out, None)
            char = self.text[self.position : self.position + 1]
            if char == '"':
                self.position += 1
                out.append(mark)
                return "".join(out)
            if char == "$":
                piece = self._dollar()
                self._count(piece)
                out.append(piece)
            elif char == self.escape:
                self._escape_in_quotes(out)
            else:
                out.append(char)
                self.position += 1
        self.position = len(self.text)
        raise ExpandError("unexpected end of statement while looking for matching double-quote")

    def _escape_in_quotes(self, out: list[str]) -> None:
        if self.raw_escapes:
            out.append(self.escape)
        self.position += 1
        char = self.text[self.position : self.position + 1]
        if char in ('"', "$", self.escape):
            out.append(char)
            self.position += 1
        elif char:
            out.append(self.escape)

    def _dollar(self) -> str:
        self.position += 1
        if self.text[self.position : self.position + 1] != "{":
            name = self._name()
            if not name:
                return "$"
            value = self._get(name)
            return f"${name}" if value is None and self.skip_unset else value or ""
        self.position += 1
        following = self.text[self.position : self.position + 1]
        if not following:
            raise ExpandError("syntax error: missing '}'")
        if following in "{}:":
            raise ExpandError("syntax error: bad substitution")
        return self._substitution(self._name())

    def _substitution(self, name: str) -> str:
        """What follows the name in `${name`."""
        operator = self._next()
        if operator == "}":
            value = self._get(name)
            return f"${{{name}}}" if value is None and self.skip_unset else value or ""
        if operator == "/":
            return self._replacement(name)
        modifier = operator
        if operator == ":":
            modifier = self._next()
            operator += modifier
        if modifier not in "+-?#%" or not modifier:
            if self.position >= len(self.text):
                raise ExpandError("syntax error: missing '}'")
            raise ExpandError(f"unsupported modifier ({operator}) in substitution")
        word = self._operand("}", modifier in "#%", "syntax error: missing '}'")
        value = self._get(name)
        if value is None and self.skip_unset:
            return f"${{{name}{operator}{word}}}"
        return self._modified(name, value, modifier, word, operator[0] == ":")

    def _modified(self, name: str, value: str | None, modifier: str, word: str, colon: bool) -> str:
        unset = value is None or (colon and not value)
        if modifier == "-":
            return word if unset else value or ""
        if modifier == "+":
            return "" if unset else word
        if modifier == "?":
            if unset:
                state = "unset" if value is None else "empty"
                raise ExpandError(f"{name}: {word or f'is not allowed to be {state}'}")
            return value or ""
        from lamina.dockerfile.pattern import trim_prefix, trim_suffix  # rare: spares its import

        longest = word.startswith(modifier)
        trim = trim_prefix if modifier == "#" else trim_suffix
        return trim(value or "", word[longest:], longest)

    def _replacement(self, name: str) -> str:
        """`${name/pattern/replacement}`, and `//` for every match."""
        every = self.text.startswith("/", self.position)
        self.position += every
        pattern = self._operand("/", True, "syntax error: missing '/' in ${}")
        replacement = self._operand("}", True, "syntax error: missing '}'")
        value = self._get(name)
        if value is None and self.skip_unset:
            return f"${{{name}/{pattern}/{replacement}}}"
        from lamina.dockerfile.pattern import replace  # rare: spares its import

        return replace(value or "", pattern, replacement, every)

    def _operand(self, stop: str, raw_escapes: bool, unfinished: str) -> str:
        try:
            return self.until(stop, raw_escapes)
        except ExpandError:
            if self.position >= len(self.text):
                raise ExpandError(unfinished) from None
            raise

    def _next(self) -> str:
        char = self.text[self.position : self.position + 1]
        self.position += 1
        return char

    def _name(self) -> str:
        """Digits, or one special parameter, or letters, digits and `_`; "" when none of them is next."""
        start, text = self.position, self.text
        char = text[start : start + 1]
        if char.isdecimal():
            while text[self.position : self.position + 1].isdecimal():
                self.position += 1
        elif char in _PARAMETERS:
            self.position += 1
        else:
            while char and (char.isalpha() or char.isdecimal() or char == "_"):
                self.position += 1
                char = text[self.position : self.position + 1]
        return text[start : self.position]

    def _get(self, name: str) -> str | None:
        value = self.env.get(name)
        if value is None and self.missing is not None:
            self.missing.add(name)
        return value
