""".dockerignore: single patterns, their order, folders, and what may be left out unseen."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.dockerfile import IgnoreFile
from lamina.dockerfile.ignore import _tokens, expression, walk
from lamina.errors import InvalidInput


def ignores(patterns: str, path: str) -> bool:
    return IgnoreFile.parse(patterns.encode()).matches(path)


@pytest.mark.parametrize(
    ("pattern", "left_out", "stays"),
    [
        ("foo", "foo foo/bar foo/a/b", "bar a/foo foobar"),
        ("/foo", "foo foo/x", "a/foo"),
        ("./foo/", "foo foo/x", "a/foo"),
        ("a/../foo", "foo", "a"),
        ("*", "a a/b .x", ""),
        ("*.md", "a.md .md a.md/x", "a/b.md a.mdx"),
        ("*/*", "a/b a/b/c", "a"),
        ("*/temp*", "a/temp a/tempx/b", "temp a/b/temp"),
        ("temp?", "tempa temp1", "temp tempab"),
        ("**", "a a/b .x/y", ""),
        ("**/", "a a/b", ""),
        ("**/foo", "foo a/foo a/b/foo a/foo/b", "xfoo foox"),
        ("**foo", "foo a/foo xfoo a/xfoo", "foox"),
        ("**/*.go", "a.go a/b.go", "a.gox"),
        ("**/foo*", "foo foox a/foox", "xfoo"),
        ("**foo*", "foo a/foox", "xfoox"),
        ("foo/**", "foo/a foo/a/b", "foo"),
        ("a/**/b", "a/b a/x/b a/x/y/b", "b x/a/b ab"),
        ("a**/b", "a/b a/x/b ab", "b"),
        ("a**/*.txt", "a/x.txt a/b/c.txt", "x.txt"),
        ("**/x/**", "x/a b/x/a b/x/a/c", "x b/x"),
        ("**/**/*.txt", "a.txt a/b.txt a/b/c.txt", "a.txt2"),
        ("a/*.txt**", "a/b.txt a/b.txt.gz", "a/b/c.txt"),
        ("a[b-d]e", "ace", "ae aae"),
        ("a[^b-d]e", "aze a/e", "ace"),
        ("[*]x", "*x", "ax"),
        ("a\\*b", "a*b", "axb"),
        ("\\!x", "!x", "x"),
        ("\\**", "*x *", "x"),
        ("a.b+(c)|d^e$", "a.b+(c)|d^e$", "axb+(c)|d^e$"),
        ("a b", "a b", "a"),
        ("..", "..", "a"),
        (".", "", "a"),
    ],
)
def test_one_pattern(pattern: str, left_out: str, stays: str) -> None:
    spaced = pattern == "a b"
    for path in [left_out] if spaced else left_out.split():
        assert ignores(pattern, path), path
    for path in stays.split():
        assert not ignores(pattern, path), path


@pytest.mark.parametrize(
    ("patterns", "left_out", "stays"),
    [
        ("*.md\n!README.md", "a.md", "README.md"),
        ("!README.md\n*.md", "README.md a.md", ""),
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md x.md", "README.md"),
        ("docs\n!docs/keep", "docs docs/x", "docs/keep docs/keep/y"),
        ("docs\n! docs/keep ", "docs/x", "docs/keep"),
        ("*\n!src\nsrc/tmp", "a src/tmp src/tmp/x", "src src/a src/a/b"),
        ("*\n!**/*.py", "a a/b", "x.py a/x.py a/b/c.py"),
        ("**\n!util/web", "util util/x", "util/web util/web/foo"),
        ("**\n!util/web\nutil/web/foo", "util/web/foo", "util/web/bar"),
        ("a/b\n!a", "a/b a/b/c", "a a/x"),
        ("a\n!a", "", "a a/b"),
        ("# comment\n #x\n\n  \nfoo", "#x foo", "# comment"),
        ("\ufefffoo\r\nbar\r\n", "foo bar", ""),
    ],
)
def test_several_patterns(patterns: str, left_out: str, stays: str) -> None:
    file = IgnoreFile.parse(patterns.encode())
    for path in left_out.split():
        assert file.matches(path), path
    for path in stays.split() if " " not in patterns[:2] else [stays]:
        assert not file.matches(path), path


def test_the_order_of_questions_does_not_matter() -> None:
    paths = ["a/b/c", "a", "a/b", "x", "a/b/d"]
    patterns = b"a/b\n!a/b/c\n!a"
    forward, backward = IgnoreFile.parse(patterns), IgnoreFile.parse(patterns)
    first = {path: forward.matches(path, is_dir=True) for path in paths}
    second = {path: backward.matches(path) for path in reversed(paths)}
    assert first == second == {"a/b/c": False, "a": False, "a/b": True, "x": False, "a/b/d": True}


@pytest.mark.parametrize(
    ("patterns", "folder", "may"),
    [
        ("node_modules", "node_modules", False),
        ("*\n!src/a", "src", True),
        ("*\n!src/a", "docs", False),
        ("*\n!src/a/**", "src/a", True),
        ("*\n!src/a/*", "src", True),
        ("*\n!src*", "docs", True),
        ("*\n!**/x", "docs", True),
        ("*\n!a\\b", "docs", True),
    ],
)
def test_may_contain(patterns: str, folder: str, may: bool) -> None:
    assert IgnoreFile.parse(patterns.encode()).may_contain(folder) is may


def test_an_empty_file_leaves_nothing_out() -> None:
    file = IgnoreFile.parse(b"\n# nothing\n")
    assert not file
    assert not file.matches("a")
    assert IgnoreFile.parse(b"x")


@pytest.mark.parametrize("text", [b"a\n[\n", b"a\n!\n", b"a\n  ![a\n", b"a\nx\\\n", b"a\n! \n"])
def test_malformed_patterns_name_their_line(text: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"^web\.dockerignore:2: "):
        IgnoreFile.parse(text, "web.dockerignore")


def test_single_patterns_have_no_comments_and_spaces() -> None:
    patterns = IgnoreFile.of(["#a", " b", "", "d", "!d/keep"])
    assert [name for name in ("#a", "a", " b", "b", "d", "d/x", "d/keep") if patterns.matches(name)] == [
        "#a",
        " b",
        "d",
        "d/x",
    ]
    assert IgnoreFile.of(["!x"], negates=False).matches("!x")
    assert not IgnoreFile.of([""])
    for bad in ("!", "[a", "!["):
        with pytest.raises(InvalidInput):
            IgnoreFile.of([bad])


def test_names_that_are_not_utf8() -> None:
    name = b"caf\xe9.txt".decode("utf-8", "surrogateescape")
    assert ignores("*.txt", name)
    assert IgnoreFile.parse(b"caf\xe9*").matches(name)


def test_deep_paths_and_many_stars_end_quickly() -> None:
    start = time.monotonic()
    assert not ignores("**/a/**/a/**/a/**/a/**/a/**/b", "/".join("a" * 200))
    assert not ignores("*.md\n!**/b\nx", "/".join("a" * 2000))
    assert not ignores("*a*a*a*a*a*a*a*a*b", "a" * 255)
    assert time.monotonic() - start < 5


@given(
    st.text("ab*?/.", min_size=1, max_size=8),
    st.lists(st.text("ab.", min_size=1, max_size=3), min_size=1, max_size=4).map("/".join),
)
def test_both_ways_of_matching_agree(pattern: str, path: str) -> None:
    import re

    tokens = _tokens(pattern)
    assert walk(tokens, path) == bool(re.compile(expression(tokens), re.DOTALL).fullmatch(path))


def test_the_line_that_decides() -> None:
    patterns = IgnoreFile.parse(b"# logs\n*.log\n  a  \n!a/keep\n!**/*.md\na/keep/not\n")
    found = {path: patterns.deciding(path) for path in ("b", "x.log", "a/b/c", "a/keep/x", "a/keep/not/x")}
    assert found == {
        "b": None,
        "x.log": (2, "*.log", False, "x.log"),
        "a/b/c": (3, "a", False, "a"),
        "a/keep/x": (4, "!a/keep", True, "a/keep"),
        "a/keep/not/x": (6, "a/keep/not", False, "a/keep/not"),
    }


@given(
    st.lists(st.text("!ab*?/.", min_size=1, max_size=6), max_size=5),
    st.lists(st.sampled_from(["a", "b", "ab", "a.b"]), min_size=1, max_size=4).map("/".join),
)
def test_what_decides_says_the_same_as_what_is_left_out(lines: list[str], path: str) -> None:
    try:
        patterns = IgnoreFile.parse("\n".join(lines).encode())
    except InvalidInput:
        return
    decides = patterns.deciding(path)
    assert patterns.matches(path) == (decides is not None and not decides.takes_back)
    if decides is not None:
        assert f"{path}/".startswith(f"{decides.path}/")
        assert lines[decides.line - 1] == decides.pattern
        assert decides.takes_back == decides.pattern.startswith("!")
