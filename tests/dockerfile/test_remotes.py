"""Which sources lie elsewhere: BuildKit's own table of Git references, and what it refuses."""

from __future__ import annotations

import pytest

from lamina.dockerfile.remotes import GitSource, file_name, host_of, is_remote, parse_git, redacted
from lamina.errors import InvalidInput

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.com/", None),
        ("https://example.com/foo", None),
        ("https://example.com/foo.git", GitSource("https://example.com/foo.git")),
        ("https://example.com/foo.git#deadbeef", GitSource("https://example.com/foo.git", "deadbeef")),
        ("https://example.com/foo.git#release/1.2", GitSource("https://example.com/foo.git", "release/1.2")),
        ("https://example.com/foo.git/", None),
        ("https://example.com/foo.git.bar", None),
        ("git://example.com/foo", GitSource("git://example.com/foo")),
        ("ssh://git@host:2222/foo#v1", GitSource("ssh://git@host:2222/foo", "v1")),
        ("github.com/moby/buildkit", GitSource("https://github.com/moby/buildkit", like_local=True)),
        (
            "github.com/moby/buildkit#v1:hack",
            GitSource("https://github.com/moby/buildkit", "v1", subdir="hack", like_local=True),
        ),
        ("custom.xyz/moby/buildkit.git", None),
        ("https://github.com/moby/buildkit", None),
        ("https://foo:bar@github.com/m/b.git", GitSource("https://foo:bar@github.com/m/b.git")),
        ("git@github.com:moby/buildkit", GitSource("git@github.com:moby/buildkit")),
        ("git@github.com:m/b.git#v1.0:hack", GitSource("git@github.com:m/b.git", "v1.0", subdir="hack")),
        ("other@host:/srv/a.git", GitSource("other@host:/srv/a.git")),
        ("https://h/b.git#baz/qux:quux/quuz", GitSource("https://h/b.git", "baz/qux", subdir="quux/quuz")),
        ("https://h/b.git#:myfolder", GitSource("https://h/b.git", subdir="myfolder")),
        ("http://h/docker.git:#branch", None),
        ("./.git", None),
        (".git", None),
        ("file:///srv/a.git", None),
        ("httpx://h/a.git", None),
        ("a@b/c", None),
    ],
)
def test_as_buildkit_reads_them(text: str, expected: GitSource | None) -> None:
    assert parse_git(text) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("ref=v1.0.0&subdir=/subdir", GitSource("https://h/r.git", "v1.0.0", subdir="/subdir")),
        ("tag=v1", GitSource("https://h/r.git", "refs/tags/v1")),
        ("branch=main", GitSource("https://h/r.git", "refs/heads/main")),
        ("tag=v1&checksum=abc", GitSource("https://h/r.git", "refs/tags/v1", "abc")),
        (f"commit={COMMIT}", GitSource("https://h/r.git", COMMIT, COMMIT)),
        ("keep-git-dir", GitSource("https://h/r.git", keep_git_dir=True)),
        ("keep-git-dir=false", GitSource("https://h/r.git", keep_git_dir=False)),
        ("submodules=0", GitSource("https://h/r.git", submodules=False)),
        ("ref=a#a", GitSource("https://h/r.git", "a")),
        ("mtime=commit", GitSource("https://h/r.git")),
    ],
)
def test_queries_say_what_is_wanted(query: str, expected: GitSource) -> None:
    assert parse_git(f"https://h/r.git?{query}") == expected


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("?foo=bar", 'unexpected query "foo"'),
        ("?ref=a&ref=b", 'query "ref" has multiple values'),
        ("?ref=", 'query "ref" has no value'),
        ("?ref=a#b", 'ref conflicts: "b" vs "a"'),
        ("?subdir=a#:b", 'subdir conflicts: "b" vs "a"'),
        ("?tag=a&branch=b", "branch conflicts with tag"),
        ("?keep-git-dir=maybe", "invalid keep-git-dir value"),
        ("?checksum=xyz", "expected hex commit hash"),
        ("#--upload-pack=x", "invalid Git reference"),
        ("#a%0ab", "invalid Git reference"),
    ],
)
def test_what_cannot_be_understood_is_refused(rest: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        parse_git(f"https://h/r.git{rest}")


def test_keep_git_dir_makes_any_url_git() -> None:
    assert parse_git("https://h/repo", known=True) == GitSource("https://h/repo")


@pytest.mark.parametrize(
    ("text", "remote"),
    [
        ("a/b", False),
        ("http://h/x", True),
        ("https://h/x.git", True),
        ("git@h:x", True),
        ("git://h/x", True),
        ("a@b", False),
        ("ftp://h/x", False),
        ("github.com/a/b", False),
    ],
)
def test_sources_that_are_no_paths(text: str, remote: bool) -> None:
    assert is_remote(text) is remote


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://h/a/b.txt", "b.txt"),
        ("http://h/a/b.txt?x=/y#z", "b.txt"),
        ("http://h/a%20b", "a b"),
        ("http://h/a/b/", "b"),
        ("http://h", "__unnamed__"),
        ("http://h/", "__unnamed__"),
        ("http://h/..", "__unnamed__"),
        ("http://h/a%2f..", "__unnamed__"),
    ],
)
def test_the_name_of_a_file_is_the_end_of_its_path(url: str, name: str) -> None:
    assert file_name(url) == name


def test_messages_hide_passwords() -> None:
    assert redacted("https://me:secret@h/x?y") == "https://me:xxxxx@h/x?y"
    assert redacted("git@h:x") == "git@h:x"
    assert host_of("git@h:x") == "h"
    assert host_of("https://me:secret@h:8/x") == "h"
