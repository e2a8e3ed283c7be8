"""Sources and contexts that lie elsewhere: which texts are URLs, and which name what of a Git repository.

The rules are those of BuildKit: http(s) URLs are Git only when their path ends in `.git`; git://, ssh:// and
`user@host:path` always are; what to take of the repository stands in a query or behind `#`.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit, urlunsplit

from lamina.errors import InvalidInput
from lamina.gobool import truth

_HTTP = ("http://", "https://")
_SCHEME = re.compile(r"^[a-zA-Z0-9]+://")
_SCP = re.compile(r"^([a-zA-Z0-9_-]+)@([a-zA-Z0-9.-]+):(.*?)(?:\?(.*?))?(?:#(.*))?$", re.DOTALL)
_GIT_SCHEMES = frozenset({"http", "https", "ssh", "git"})
_COMMIT = re.compile(r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")
_HEX = re.compile(r"^[0-9a-fA-F]{1,64}$")
_UNNAMED = "__unnamed__"


class GitSource(NamedTuple):
    """A Git repository and what is wanted of it. `remote` is what the program git is given.

    `ref` is a branch, a tag, another ref or a commit, "" for the default branch; `checksum` the beginning of
    the commit that it must be; `subdir` a folder in it. None: not said.
    """

    remote: str
    ref: str = ""
    checksum: str = ""
    subdir: str = ""
    keep_git_dir: bool | None = None
    submodules: bool | None = None
    like_local: bool = False  # github.com/...: only a context may be written so

    @property
    def is_commit(self) -> bool:
        """Whether `ref` is a whole commit ID, which always means the same."""
        return _COMMIT.match(self.ref) is not None


def is_http(text: str) -> bool:
    """Whether this is an HTTP(S) URL, Git or not."""
    return text.startswith(_HTTP)


def is_remote(text: str) -> bool:
    """Whether a source of ADD is no path: a URL, or a Git repository. InvalidInput for a bad Git URL."""
    if "://" not in text and "@" not in text:
        return False
    found = parse_git(text)
    return is_http(text) or (found is not None and not found.like_local)


def parse_git(text: str, *, known: bool = False) -> GitSource | None:
    """What a text says of a Git repository; None when it names none.

    `known` says that it is one (--keep-git-dir was given), so that http(s) URLs need no `.git`.
    InvalidInput for a query or fragment that cannot be understood.
    """
    if text.startswith(("./", "../")):
        return None
    if text.startswith("github.com/"):
        local = urlsplit("https://" + text)
        return _complete(urlunsplit(local._replace(query="", fragment="")), local.query, local.fragment, True)
    if _SCHEME.match(text):
        parts = _split(text)
        if parts is None or parts.scheme not in _GIT_SCHEMES:
            return None
        if parts.scheme in ("http", "https") and not known and not unquote(parts.path).endswith(".git"):
            return None
        return _complete(urlunsplit(parts._replace(query="", fragment="")), parts.query, parts.fragment)
    found = _SCP.match(text)
    if found is None:
        return None
    user, host, path, query, fragment = found.groups()
    return _complete(f"{user}@{host}:{path}", query or "", fragment or "")


def file_name(url: str) -> str:
    """The name that ADD gives to what a URL leads to: the last part of its path."""
    parts = _split(url)
    name = unquote(parts.path).rstrip("/").rpartition("/")[2] if parts is not None else ""
    return _UNNAMED if name in ("", ".", "..") or "\0" in name else name


def host_of(url: str) -> str:
    """The host of a URL, or of `user@host:path`, without its port; "" when there is none."""
    found = _SCP.match(url) if "://" not in url else None
    if found is not None:
        return str(found.group(2))
    parts = _split(url)
    return (parts.hostname or "") if parts is not None else ""


def redacted(url: str) -> str:
    """A URL as messages may show it: without a password, and without a token in the place of a user."""
    parts = _split(url) if "://" in url else None
    if parts is None or parts.username is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    if parts.password is not None:
        return urlunsplit(parts._replace(netloc=f"{parts.username}:xxxxx@{host}"))
    return urlunsplit(parts._replace(netloc=f"xxxxx@{host}")) if is_http(url) else url


def _split(url: str) -> SplitResult | None:
    """The parts of a URL; None for what is none, such as one with a bad port."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _complete(remote: str, query: str, fragment: str, like_local: bool = False) -> GitSource:
    ref, _, subdir = unquote(fragment).partition(":")
    source = _with_query(GitSource(remote, ref, subdir=subdir, like_local=like_local), query)
    if source.checksum and not _HEX.match(source.checksum):
        raise InvalidInput(f"invalid checksum {source.checksum} for Git URL, expected hex commit hash")
    for word in (source.ref, source.remote):
        if word.startswith("-") or any(ord(char) < 0x20 for char in word):
            raise InvalidInput(f"invalid Git reference {word!r}")
    if "\0" in source.subdir:
        raise InvalidInput(f"invalid subdir {source.subdir!r} of a Git URL")
    return source


def _with_query(source: GitSource, query: str) -> GitSource:
    """Takes ref, tag, branch, subdir, checksum (or commit), keep-git-dir and submodules from a query."""
    given = _values(query)
    ref = source.ref
    for name, prefix in (("ref", ""), ("tag", "refs/tags/"), ("branch", "refs/heads/")):
        if name not in given:
            continue
        if name == "branch" and "tag" in given:
            raise InvalidInput("branch conflicts with tag")
        value = prefix + given[name].removeprefix(prefix)
        if ref and ref != value:
            raise InvalidInput(f'ref conflicts: "{ref}" vs "{value}"')
        ref = value
    subdir = given.get("subdir", source.subdir)
    if source.subdir and subdir != source.subdir:
        raise InvalidInput(f'subdir conflicts: "{source.subdir}" vs "{subdir}"')
    checksum = given.get("checksum", given.get("commit", ""))
    return source._replace(
        ref=ref or checksum,
        checksum=checksum,
        subdir=subdir,
        keep_git_dir=_bool(given, "keep-git-dir"),
        submodules=_bool(given, "submodules"),
    )


_FLAGS = ("keep-git-dir", "submodules", "fetch-by-commit")
_NAMES = frozenset({"ref", "tag", "branch", "subdir", "checksum", "commit", "mtime", *_FLAGS})


def _values(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, values in parse_qs(query, keep_blank_values=True).items():
        if name not in _NAMES:
            raise InvalidInput(f'unexpected query "{name}"')
        if len(values) > 1:
            raise InvalidInput(f'query "{name}" has multiple values')
        if not values[0] and name not in _FLAGS:
            raise InvalidInput(f'query "{name}" has no value')
        if name == "mtime" and values[0] not in ("checkout", "commit"):
            raise InvalidInput(f'invalid mtime value: "{values[0]}"')
        found[name] = values[0]
    return found


def _bool(given: dict[str, str], name: str) -> bool | None:
    if name not in given:
        return None
    if given[name] == "":
        return True
    said = truth(given[name])
    if said is None:
        raise InvalidInput(f'invalid {name} value: "{given[name]}"')
    return said
