"""The expressions of find(1): from words to something that tests one path after the other.

    expression = list;  list = or { , or };  or = and { -o and };  and = not { [-a] not }
    not = { ! } ( "(" list ")" | primary )

Tests and actions have their usual meaning (POSIX, GNU); `-layer`, `-setuid` and a few more are Lamina's own.
An expression without an action prints what it is true for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput, Unsupported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.insight.files.merged import Found, Merged
    from lamina.insight.files.owners import Owners


class Act(NamedTuple):
    """What is to be done with a path: print, print0, ls or printf, with the format of that."""

    what: str
    form: str = ""


class Candidate:
    """One path while it is tested, and what the expression wants of it."""

    __slots__ = ("acts", "depth", "found", "name", "path", "pruned", "quit")

    def __init__(self, found: Found, path: str, depth: int) -> None:
        self.found = found
        self.path = path  # absolute
        self.name = path.rpartition("/")[2] or "/"
        self.depth = depth  # 0 for where the search starts
        self.acts: list[Act] = []
        self.pruned = False
        self.quit = False  # the search ends here, and at once

    def wants(self, act: Act) -> None:
        """Notes what is to be done; nothing after -quit."""
        if not self.quit:
            self.acts.append(act)


Test = Callable[[Candidate], bool]


class Setting(NamedTuple):
    """What the tests of an expression look at besides the path itself."""

    merged: Merged
    owners: Callable[[], Owners]  # asked only for names
    now: int  # nanoseconds since 1970


class Expression(NamedTuple):
    """An expression, ready to be used; `least` and `most` are -mindepth and -maxdepth."""

    test: Test
    least: int = 0
    most: int | None = None


class Words:
    """The words of an expression, one after the other."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = list(words)[::-1]
        self.least = 0
        self.most: int | None = None
        self.acts = False  # whether one of them is an action that makes -print needless

    def peek(self) -> str:
        """The next word, "" at the end."""
        return self._words[-1] if self._words else ""

    def more(self) -> bool:
        """Whether there is one."""
        return bool(self._words)

    def take(self) -> str:
        """The next word."""
        return self._words.pop()

    def argument(self, name: str) -> str:
        """The word after a primary. InvalidInput when there is none."""
        if not self._words:
            raise InvalidInput(f"find: missing argument to `{name}'")
        return self._words.pop()


def parse(words: Sequence[str], setting: Setting) -> Expression:
    """The expression that these words are. InvalidInput, Unsupported; NotFound for what -newer names."""
    left = Words(words)
    if not words:
        return Expression(_always_print)
    test = _list(left, setting)
    if left.more():
        raise InvalidInput(f"find: you have too many '{left.peek()}'")
    if not left.acts:
        test = _and(test, _always_print)
    return Expression(test, left.least, left.most)


def _list(words: Words, setting: Setting) -> Test:
    test = _or_list(words, setting)
    while words.peek() == ",":
        words.take()
        test = _both(test, _or_list(words, setting))
    return test


def _or_list(words: Words, setting: Setting) -> Test:
    test = _and_list(words, setting)
    while words.peek() in ("-o", "-or"):
        words.take()
        test = _or(test, _and_list(words, setting))
    return test


def _and_list(words: Words, setting: Setting) -> Test:
    test = _not(words, setting)
    while words.more() and words.peek() not in ("-o", "-or", ",", ")"):
        if words.peek() in ("-a", "-and"):
            words.take()
        test = _and(test, _not(words, setting))
    return test


def _not(words: Words, setting: Setting) -> Test:
    if not words.more():
        raise InvalidInput(
            "find: the expression ends too early", hint="is a test missing after its last word?"
        )
    word = words.take()
    if word in ("!", "-not"):
        test = _not(words, setting)
        return lambda it: not test(it)
    if word == "(":
        test = _list(words, setting)
        if words.peek() != ")":
            raise InvalidInput("find: a `(' is never closed", hint="the shell needs `\\)'")
        words.take()
        return test
    return _primary(word, words, setting)


def _primary(word: str, words: Words, setting: Setting) -> Test:
    from lamina.insight.files.primaries import PLAIN, REFUSED, WITH_ARGUMENT

    if word in PLAIN:
        return PLAIN[word](words, setting)
    if word in WITH_ARGUMENT:
        return WITH_ARGUMENT[word](words.argument(word), words, setting)
    if word in REFUSED:
        raise Unsupported(f"find: {word} is not supported", hint=REFUSED[word])
    if word in ("-o", "-or", "-a", "-and", ",", ")"):
        raise InvalidInput(f"find: there is nothing before `{word}' that it could join")
    if word.startswith("-"):
        raise InvalidInput(f"find: unknown predicate `{word}'", hint="`lamina find --help` lists them")
    raise InvalidInput(f"find: paths must precede expression: `{word}'", hint="does a pattern need quotes?")


def _always_print(it: Candidate) -> bool:
    it.wants(Act("print"))
    return True


def _and(first: Test, second: Test) -> Test:
    return lambda it: first(it) and second(it)


def _or(first: Test, second: Test) -> Test:
    return lambda it: first(it) or second(it)


def _both(first: Test, second: Test) -> Test:
    def test(it: Candidate) -> bool:
        first(it)
        return second(it)

    return test
