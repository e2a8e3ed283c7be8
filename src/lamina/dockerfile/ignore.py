""".dockerignore: which paths of a build context are left out (moby's patternmatcher, as BuildKit uses it).

Patterns are tried in order and the last one that says something wins; `!` takes a path back in; `**`
crosses folders; a pattern that matches a folder holds for all below it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from lamina.dockerfile.match import Class, Token, clean, fits, tokenize
from lamina.dockerfile.words import SPACE
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ANYTHING = "**"  # at the end of a pattern, or before a name: any characters
FOLDERS = "**/"  # any number of folders, also none


class _Pattern(NamedTuple):
    text: str  # cleaned, without the "!"
    takes_back: bool
    matches: Callable[[str], object]  # true for a path that matches as a whole
    line: int = 0  # in its file, from 1
    written: str = ""  # the line, without the blanks around it


class Deciding(NamedTuple):
    """The pattern that decides over a path: the last one that says something of it.

    `path` is what it matches: the path itself, or the uppermost folder that it matches with all below.
    """

    line: int  # in its file, from 1; 0 for one that is from no file
    pattern: str  # as written
    takes_back: bool
    path: str


class IgnoreFile:
    """The patterns of a .dockerignore. Paths are relative to the context, with `/`, and not empty."""

    def __init__(self, patterns: list[_Pattern]) -> None:
        self._patterns = patterns
        self._exceptions = [pattern.text for pattern in patterns if pattern.takes_back]
        self._plain_exceptions = all(_only_trailing_glob(text) for text in self._exceptions)
        self._folders: dict[str, tuple[bool, ...]] = {"": ()}

    @classmethod
    def parse(cls, data: bytes, name: str = ".dockerignore") -> IgnoreFile:
        """Reads a .dockerignore. Raises InvalidInput, naming the line, for a malformed pattern."""
        text = data.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
        patterns: list[_Pattern] = []
        for number, line in enumerate(text.split("\n"), 1):
            if line.startswith("#") or not (line := line.strip(SPACE)):
                continue
            try:
                patterns.append(_pattern(line)._replace(line=number, written=line))
            except InvalidInput as error:
                raise InvalidInput(f"{name}:{number}: {error.message}") from None
        return cls(patterns)

    @classmethod
    def of(cls, patterns: Iterable[str], negates: bool = True) -> IgnoreFile:
        """The same from single patterns; in them `#` means itself, and so does `!` unless it `negates`.

        Empty ones do not count. Raises InvalidInput for a malformed one.
        """
        made: list[_Pattern] = []
        for text in patterns:
            takes_back = negates and text.startswith("!")
            if text == "!" and takes_back:
                raise _lone_exclamation()
            if text:
                made.append(_compiled(text[1:] if takes_back else text, takes_back))
        return cls(made)

    def __bool__(self) -> bool:
        """Whether there is any pattern."""
        return bool(self._patterns)

    @property
    def takes_back(self) -> bool:
        """Whether a `!` pattern takes something back in."""
        return bool(self._exceptions)

    def matches(self, path: str, is_dir: bool = False) -> bool:
        """Whether `path` is left out. For a folder this says nothing of what is in it: see `may_contain`.

        `is_dir` changes nothing (moby knows no patterns for folders only); what is found out about a
        folder is remembered for the paths below it.
        """
        if not self._patterns:
            return False
        left_out, results = self._evaluate(path)
        if is_dir:
            self._folders[path] = results
        return left_out

    def deciding(self, path: str) -> Deciding | None:
        """The pattern that leaves `path` out, or takes it back in; None when no pattern says anything."""
        results = self._evaluate(path)[1]
        number = max((number for number, found in enumerate(results) if found), default=None)
        if number is None:
            return None
        matched = next(folder for folder in _downwards(path) if self._evaluate(folder)[1][number])
        pattern = self._patterns[number]
        return Deciding(pattern.line, pattern.written, pattern.takes_back, matched)

    def may_contain(self, folder: str) -> bool:
        """Whether a `!` pattern may take something below `folder`, which is left out itself, back in."""
        if not self._plain_exceptions:
            return True
        below = folder + "/"
        return any((_without_trailing_glob(text) + "/").startswith(below) for text in self._exceptions)

    def _evaluate(self, path: str) -> tuple[bool, tuple[bool, ...]]:
        """Whether `path` is left out, and which patterns matched it or a folder above it."""
        parent = path.rpartition("/")[0]
        if parent not in self._folders:
            end = path.find("/")
            while end >= 0:
                folder = path[:end]
                if folder not in self._folders:
                    self._folders[folder] = self._step(folder, self._folders[folder.rpartition("/")[0]])[1]
                end = path.find("/", end + 1)
        return self._step(path, self._folders[parent])

    def _step(self, path: str, inherited: tuple[bool, ...]) -> tuple[bool, tuple[bool, ...]]:
        """The same, given which patterns matched the folder that `path` is in."""
        left_out = False
        results: list[bool] = []
        for number, pattern in enumerate(self._patterns):
            # A pattern that could not change the outcome here is not tried, and does not count as having
            # matched for what is below either: BuildKit's walk does the same.
            found = (bool(inherited) and inherited[number]) or (
                pattern.takes_back == left_out and bool(pattern.matches(path))
            )
            results.append(found)
            if found:
                left_out = not pattern.takes_back
        return left_out, tuple(results)


def _downwards(path: str) -> list[str]:
    """The folders that a path is in, from the top, and itself."""
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _pattern(line: str) -> _Pattern:
    takes_back = line.startswith("!")
    text = line[1:].strip(SPACE) if takes_back else line
    if not text:
        raise _lone_exclamation()
    return _compiled(text, takes_back)


def _lone_exclamation() -> InvalidInput:
    return InvalidInput('illegal exclusion pattern: "!"')


def _compiled(text: str, takes_back: bool) -> _Pattern:
    text = clean(text)
    if len(text) > 1:
        text = text.removeprefix("/")
    tokens = _tokens(text)
    if all(isinstance(token, str) and token.startswith("=") for token in tokens):
        literal = "".join(str(token)[1:] for token in tokens)
        return _Pattern(text, takes_back, literal.__eq__)
    # More stars could make a regular expression try very many ways; the walk over states never does.
    if sum(token in (ANYTHING, FOLDERS, "*") for token in tokens) > 2:
        return _Pattern(text, takes_back, lambda path: walk(tokens, path))
    return _Pattern(text, takes_back, re.compile(expression(tokens), re.DOTALL).fullmatch)


def _tokens(text: str) -> list[Token]:
    """The parts of a pattern, with `**` read as moby does: it takes a `/` that follows it along."""
    single = tokenize(text)
    tokens: list[Token] = []
    position = 0
    while position < len(single):
        token = single[position]
        position += 1
        if token != "*" or single[position : position + 1] != ["*"]:
            tokens.append(token)
            continue
        position += 1
        slash = single[position : position + 1] == ["=/"]
        position += slash
        at_start = not tokens and not slash and not any(char in "*?[]\\" for char in text[2:])
        tokens.append(ANYTHING if at_start or position == len(single) else FOLDERS)
    return tokens


def expression(tokens: list[Token]) -> str:
    """The regular expression that a whole path must match."""
    fixed = {ANYTHING: ".*", FOLDERS: "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    out: list[str] = []
    for token in tokens:
        if isinstance(token, Class):
            ranges = "".join(
                f"{re.escape(low)}-{re.escape(high)}" for low, high in token.ranges if low <= high
            )
            out.append(f"[{'^' * token.negated}{ranges}]" if ranges else "." if token.negated else "(?!)")
        else:
            out.append(fixed.get(token) or re.escape(token[1:]))
    return "".join(out)


def walk(tokens: list[Token], path: str) -> bool:
    """Whether `tokens` match all of `path`: follows every way at once, in time length times length.

    A state is the index of the next token; ~index is the state within the folders of a `**/`.
    """
    states = _reachable(tokens, {0})
    for char in path:
        following: set[int] = set()
        for state in states:
            token = tokens[~state] if state < 0 else tokens[state] if state < len(tokens) else ""
            if token == FOLDERS:
                index = max(state, ~state)
                following |= {~index, index + 1} if char == "/" else {~index}
            elif token == ANYTHING or (token == "*" and char != "/"):
                following.add(state)
            elif token and fits(token, char):
                following.add(state + 1)
        states = _reachable(tokens, following)
    return len(tokens) in states


def _reachable(tokens: list[Token], states: set[int]) -> set[int]:
    """`states` and those that are reached without a character: what may match nothing is passed over."""
    todo = [state for state in states if state >= 0]
    while todo:
        state = todo.pop()
        if state < len(tokens) and tokens[state] in (ANYTHING, FOLDERS, "*") and state + 1 not in states:
            states.add(state + 1)
            todo.append(state + 1)
    return states


def _only_trailing_glob(text: str) -> bool:
    return not any(char in "*?[^\\" for char in _without_trailing_glob(text))


def _without_trailing_glob(text: str) -> str:
    return text.removesuffix("/**").removesuffix("/*")
