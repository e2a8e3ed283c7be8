"""Go's filepath.Match and filepath.Clean."""

from __future__ import annotations

import time

import pytest

from lamina.dockerfile import BadPattern, clean, has_wildcard, match


@pytest.mark.parametrize(
    ("pattern", "name", "result"),
    [
        ("", "", True),
        ("", "a", False),
        ("abc", "abc", True),
        ("abc", "abcd", False),
        ("*", "", True),
        ("*", "abc", True),
        ("*", "a/b", False),
        ("*c", "abc", True),
        ("a*", "a", True),
        ("a*", "a/", False),
        ("a*/b", "abc/b", True),
        ("a*/b", "a/c/b", False),
        ("*/*", "a/b", True),
        ("a*b*c*/d", "axbxcx/d", True),
        ("a*b*c*/d", "axbxcx/x/d", False),
        ("a*b?c*x", "abxbbxdbxebxczzx", True),
        ("a*b?c*x", "abxbbxdbxebxczzy", False),
        ("**", "ab", True),
        ("?", "a", True),
        ("?", "\u2603", True),
        ("?", "/", False),
        ("a?c", "abc", True),
        ("[a-c]x", "bx", True),
        ("[a-c]x", "dx", False),
        ("[^a-c]x", "dx", True),
        ("[^a-c]x", "bx", False),
        ("[^a]", "/", True),
        ("[!a]", "!", True),
        ("[!a]", "b", False),
        ("[\\]]", "]", True),
        ("[\\-x]", "-", True),
        ("[z-a]", "m", False),
        ("[a-cx-z]", "y", True),
        ("a\\*b", "a*b", True),
        ("a\\*b", "axb", False),
        ("\\[a]", "[a]", True),
        ("]", "]", True),
        ("*.txt", ".txt", True),
        ("*ab", "aab", True),
    ],
)
def test_match(pattern: str, name: str, result: bool) -> None:
    assert match(pattern, name) is result


@pytest.mark.parametrize(
    "pattern",
    [
        "[",
        "[a",
        "[^",
        "[^a",
        "[]a]",
        "[-]",
        "[x-]",
        "[-x]",
        "[a-b-c]",
        "[]",
        "\\",
        "a\\",
        "[\\",
        "a*[",
        "[a\\]",
    ],
)
def test_malformed_patterns_are_errors_whatever_the_name(pattern: str) -> None:
    for name in ("", "a", "zzz"):
        with pytest.raises(BadPattern, match="syntax error in pattern"):
            match(pattern, name)


def test_no_pattern_takes_exponential_time() -> None:
    start = time.monotonic()
    assert not match("*a" * 100 + "b", "a" * 3000)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("path", "result"),
    [
        ("", "."), (".", "."), ("/", "/"), ("//a//b/", "/a/b"), ("a/./b/../c", "a/c"), ("..", ".."),
        ("../../a", "../../a"), ("a/../..", ".."), ("/../a", "/a"), ("./a/", "a"), ("a/..", "."),
    ],
)  # fmt: skip
def test_clean(path: str, result: str) -> None:
    assert clean(path) == result


def test_has_wildcard() -> None:
    assert all(has_wildcard(text) for text in ("*", "a?", "[a]", "\\\\*"))
    assert not any(has_wildcard(text) for text in ("", "a", "\\*", "\\?\\[", "a]", "\\"))
