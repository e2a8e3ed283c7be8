"""Variables, quotes and escapes: tables of text and result."""

from __future__ import annotations

import time

import pytest

from lamina.dockerfile import ExpandError, expand, expand_words
from lamina.dockerfile.expand import lex_words

ENV = {
    "HOME": "/home/me",
    "EMPTY": "",
    "WORDS": "one two",
    "NAME": "file.tar.gz",
    "Ä": "umlaut",
    "1": "first",
}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", ""),
        ("plain", "plain"),
        ("a 'b  c' d", "a b  c d"),
        ("'$HOME'", "$HOME"),
        ('"$HOME"', "/home/me"),
        ('"it\'s"', "it's"),
        ("it\\'s", "it's"),
        ("'a\\b'", "a\\b"),
        ("a\\tb", "atb"),
        ('"a\\tb"', "a\\tb"),
        ('"a\\\\b\\"c\\$HOME"', 'a\\b"c$HOME'),
        ("end\\", "end"),
        ("\\\\", "\\"),
        ("\\$HOME \\${HOME}", "$HOME ${HOME}"),
        ("$HOME/x", "/home/me/x"),
        ("${HOME}x", "/home/mex"),
        ("$HOMEx", ""),
        ("$", "$"),
        ("$ $% $/", "$ $% $/"),
        ("$1st $@ $* $# $? $- $$ $! x", "firstst        x"),
        ("$12 ${1}", " first"),
        ("$Ä ${Ä}", "umlaut umlaut"),
        ("a}b", "a}b"),
        ("a/b`c", "a/b`c"),
        ("${HOME:-x} ${EMPTY:-x} ${NO:-x}", "/home/me x x"),
        ("${HOME-x} ${EMPTY-x} ${NO-x}", "/home/me  x"),
        ("${HOME:+x} ${EMPTY:+x} ${NO:+x}", "x  "),
        ("${HOME+x} ${EMPTY+x} ${NO+x}", "x x "),
        ("${HOME:?no} ${EMPTY?no}", "/home/me "),
        ("${NO:-${NO2:-$HOME}}", "/home/me"),
        ("${NO:-a\\}b}", "a}b"),
        ("${NO:-'a}b'}", "a}b"),
        ('${NO:-"$HOME"}', "/home/me"),
        ("\"${NO:-'x'}\"", "x"),
        ("${NO:-}", ""),
        ("${NAME#*.}", "tar.gz"),
        ("${NAME##*.}", "gz"),
        ("${NAME%.*}", "file.tar"),
        ("${NAME%%.*}", "file"),
        ("${NAME#file} ${NAME#no} ${NAME#}", ".tar.gz file.tar.gz file.tar.gz"),
        ("${NAME%.??} ${NAME%gz?}", "file.tar file.tar.gz"),
        ("${NO#x}${NO%x}", ""),
        ("${NAME:#*.}", "tar.gz"),
        ("${NAME/./-} ${NAME//./-}", "file-tar.gz file-tar-gz"),
        ("${NAME/t*/X}", "fileX".replace("X", ".X")),
        ("${NAME/no/X} ${NAME/.tar/}", "file.tar.gz file.gz"),
        ("${HOME//\\//:}", ":home:me"),
        ("${HOME//\\//\\/}", "\\/home\\/me"),
        ("${NAME//[.]/x}", "file.tar.gz"),
        ("${EMPTY/x/y}${EMPTY//x/y}${EMPTY///y}", "y"),
        ("${WORDS//o/0}", "0ne tw0"),
        ("\ufeffx", "x"),
    ],
)
def test_expand(text: str, result: str) -> None:
    assert expand(text, ENV) == result


@pytest.mark.parametrize(
    ("pattern", "value", "shortest", "longest", "first", "every"),
    [
        ("*", "abc", "abc", "", "R", "R"),
        ("a*", "abab", "bab", "", "R", "R"),
        ("*b", "abab", "ab", "", "R", "R"),
        ("*b*", "xbyb", "yb", "", "R", "R"),
        ("?", "abc", "bc", "bc", "Rbc", "RRR"),
        ("a?a", "abaca", "ca", "ca", "Rca", "Rca"),
        ("\\*", "*x*", "x*", "x*", "Rx*", "RxR"),
        ("\\\\", "\\x", "x", "x", "Rx", "Rx"),
        (".", ".a.", "a.", "a.", "Ra.", "RaR"),
        ("a*b*c", "aXbYcZbc", "Zbc", "", "R", "R"),
        ("", "ab", "ab", "ab", "Rab", "RaRbR"),
        ("*", "a\nb", "a\nb", "\nb", "R\nb", "R\nR"),
        ("x*y", "x\nxzy", "x\nxzy", "x\nxzy", "x\nR", "x\nR"),
    ],
)
def test_patterns(pattern: str, value: str, shortest: str, longest: str, first: str, every: str) -> None:
    from lamina.dockerfile.pattern import replace, trim_prefix, trim_suffix

    assert trim_prefix(value, pattern, longest=False) == shortest
    assert trim_prefix(value, pattern, longest=True) == longest
    assert replace(value, pattern, "R", every=False) == first
    assert replace(value, pattern, "R", every=True) == every
    if "\\" not in pattern:
        assert trim_suffix(value[::-1], pattern[::-1], longest=False) == shortest[::-1]
        assert trim_suffix(value[::-1], pattern[::-1], longest=True) == longest[::-1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("'open", "looking for matching single-quote"),
        ('"open', "looking for matching double-quote"),
        ('"open\\"', "looking for matching double-quote"),
        ("${", "missing '}'"),
        ("${HOME", "missing '}'"),
        ("${HOME:", "missing '}'"),
        ("${HOME:-x", "missing '}'"),
        ("${HOME:-${NO}", "missing '}'"),
        ("${}", "bad substitution"),
        ("${{HOME}}", "bad substitution"),
        ("${:x}", "bad substitution"),
        ("${HOME=x}", "unsupported modifier (=) in substitution"),
        ("${HOME:=x}", "unsupported modifier (:=) in substitution"),
        ("${HOME^^}", "unsupported modifier (^) in substitution"),
        ("${HOME/x}", "missing '/' in ${}"),
        ("${HOME/x/y", "missing '}'"),
        ("${NO?}", "NO: is not allowed to be unset"),
        ("${NO:?}", "NO: is not allowed to be unset"),
        ("${EMPTY:?}", "EMPTY: is not allowed to be empty"),
        ("${NO:?set it in $HOME}", "NO: set it in /home/me"),
        ("${HOME#\\x}", "invalid pattern (\\x) in substitution"),
    ],
)
def test_errors(text: str, message: str) -> None:
    with pytest.raises(ExpandError) as caught:
        expand(text, ENV)
    assert message in caught.value.message
    assert caught.value.message.startswith("failed to process ")


def test_backtick_as_escape() -> None:
    assert expand('c:\\x\\$HOME `$HOME `` "`""', ENV, "`") == 'c:\\x\\/home/me $HOME ` "'


def test_quotes_can_be_kept_or_be_literal() -> None:
    assert expand('\'a\' "$HOME" \\"', ENV, quotes="keep") == '\'a\' "/home/me" "'
    assert expand('it\'s "$HOME" \\$HOME\n', ENV, quotes="literal") == 'it\'s "/home/me" $HOME\n'


def test_missing_names_are_reported() -> None:
    missing: set[str] = set()
    expand("$HOME ${A} ${B:-$C} '$D' $1", ENV, missing=missing)
    assert missing == {"A", "B", "C"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("  a  b ", ["a", "b"]),
        ("$WORDS x", ["one", "two", "x"]),
        ('"$WORDS" x', ["one two", "x"]),
        ("a\\ b", ["a b"]),
        ("a'b c'd", ["ab cd"]),
        ("$EMPTY '' \"\"", []),
        ("x$WORDS$WORDS", ["xone", "twoone", "two"]),
        ("${NO:-a b}", ["a", "b"]),
        ("a\u2003b\x1cc", ["a", "b\x1cc"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert expand_words(text, ENV) == words


def test_words_of_a_shell_line_stay_as_they_are() -> None:
    line = "cat <<'E F' \\<<x \"a b\" $x ${y:-z} ${a/b/c}"
    assert lex_words(line, keep_quotes=True, keep_escapes=True) == [
        "cat", "<<'E F'", "\\<<x", '"a b"', "$x", "${y:-z}", "${a/b/c}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "env"),
    [
        ("${a:-" * 100_000, {}),
        ("${a:-" * 100_000 + "}" * 100_000, {}),
        ("$A" * 100_000, {"A": "x" * 100_000}),
        ('"' + "$A" * 100_000 + '"', {"A": "x" * 100_000}),
        ("${A//x/$A}", {"A": "x" * 60_000}),
        ("${A//?*?*?*?*?*?*?*?*?*?*?*y/z}", {"A": "x" * 60_000}),
        ("${A##*a*a*a*a*a*a*a*a*a*a*b}", {"A": "a" * 60_000}),
        ("${A%%a*a*a*a*a*a*a*a*a*a*b}", {"A": "a" * 60_000}),
        ("${A//a*b/z}", {"A": "a" * 60_000}),
    ],
)
def test_hostile_texts_end_quickly(text: str, env: dict[str, str]) -> None:
    start = time.monotonic()
    try:
        assert len(expand(text, env)) < 10_000_000
    except ExpandError:
        pass
    assert time.monotonic() - start < 5
