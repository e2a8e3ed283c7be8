"""Caches: where package managers keep what an image does not need to run, and how to leave it out.

`__pycache__` is not among them: what it costs in bytes it saves at every start.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Cache(NamedTuple):
    """One kind of cache. In `clean` and `mount`, `{}` is the folder as it was found, absolute."""

    name: str
    folder: str  # a regular expression of it, relative; "~" is any folder, as homes are
    clean: str = ""  # what to put at the end of the RUN
    option: str = ""  # or: what to run instead
    mount: str = "{}"  # the target of a cache mount; "" where one is of no use
    only: str = ""  # a regular expression of the names that are meant; "" for all


class CachedIn(NamedTuple):
    """A file of a cache, with the folder that the cache is in: absolute."""

    cache: Cache
    folder: str


CACHES = (
    Cache("apt lists", "var/lib/apt/lists", "&& rm -rf /var/lib/apt/lists/*"),
    Cache("apt archives", "var/cache/apt", "&& apt-get clean", mount="/var/cache/apt"),
    Cache("debconf and dpkg backups", "var/cache/debconf", "&& rm -f {}/*-old", mount="", only=r"-old\Z"),
    Cache("debconf and dpkg backups", "var/lib/dpkg", "&& rm -f {}/*-old", mount="", only=r"-old\Z"),
    Cache("apk", "var/cache/apk", "&& rm -rf {}/*", "apk add --no-cache"),
    Cache("apk", "etc/apk/cache", "&& rm -rf {}/*", "apk add --no-cache"),
    Cache("dnf", "var/cache/(?:dnf|libdnf5)", "&& dnf clean all"),
    Cache("yum", "var/cache/yum", "&& yum clean all"),
    Cache("zypper", "var/cache/zypp", "&& zypper clean --all"),
    Cache("pacman", "var/cache/pacman/pkg", "&& rm -rf {}/*"),
    Cache("pip", r"~\.cache/pip", "&& pip cache purge", "pip install --no-cache-dir"),
    Cache("uv", r"~\.cache/uv", "&& uv cache clean", "uv sync --no-cache"),
    Cache("Poetry", r"~\.cache/pypoetry", "&& rm -rf {}"),
    Cache("npm", r"~\.npm", "&& npm cache clean --force"),
    Cache("Yarn", r"(?:~|usr/local/share/)\.cache/yarn", "&& yarn cache clean"),
    Cache("Yarn", r"~\.yarn/berry/cache", "&& yarn cache clean --all"),
    Cache("pnpm", r"~\.local/share/pnpm/store", "&& pnpm store prune"),
    Cache(
        "RubyGems",
        r"(?:usr/local/bundle|(?:usr/(?:local/)?lib|var/lib)/(?:ruby/)?gems/[^/]+|~\.gem/ruby/[^/]+)/cache",
        "&& rm -rf {}/*.gem",
    ),
    Cache("Cargo", r"(?:~\.cargo|usr/local/cargo)/(?:registry|git)", "&& rm -rf {}"),
    Cache("Go build cache", r"~\.cache/go-build", "&& go clean -cache"),
    Cache("Go modules", "go/pkg/mod", "&& go clean -modcache"),
    Cache("Maven", r"~\.m2/repository", "&& rm -rf {}"),
    Cache("Gradle", r"~\.gradle/caches", "&& rm -rf {}"),
    Cache("Composer", r"~(?:\.composer/cache|\.cache/composer)", "&& composer clear-cache"),
    Cache("NuGet", r"~\.local/share/NuGet", "&& dotnet nuget locals all --clear"),
    Cache("conda", r"(?:opt/|~)(?:mini|ana)?(?:conda|forge)3?/pkgs", "&& conda clean --all --yes"),
    Cache("temporary files", "(?:var/)?tmp", "&& rm -rf {}/*"),
    Cache("logs of installers", "var/log/(?:apt|dnf|yum)", "&& rm -rf {}/*", mount=""),
    Cache(
        "logs of installers",
        "var/log",
        "&& rm -f {}/*.log",
        mount="",
        only=r"(?:dpkg|alternatives|bootstrap|dnf[.a-z]*|yum|hawkey)\.log\Z",
    ),
)

DATABASE = "package database"
_DATABASES = re.compile(
    rb"(?:var/lib/(?:dpkg/(?:status|available|diversions|statoverride|triggers/File)|apt/extended_states|rpm/.*"
    rb"|pacman/local/.*)|lib/apk/db/.*|etc/apk/world|usr/lib/sysimage/rpm/.*|etc/ld\.so\.cache)\Z",
    re.DOTALL,
)

_HOME = "(?:[^/]+/)*"
_FOLDERS = tuple((re.compile(each.folder.replace("~", _HOME) + r"(?=/|\Z)"), each) for each in CACHES)
_HINTS = re.compile(
    r"var/|tmp|etc/apk/|go/pkg/|usr/|opt/|(?:.*/)?\.|.*(?:conda|forge)", re.S
)  # rules most out


class Caches:
    """Looks paths up; those in one folder are best asked for one after the other."""

    def __init__(self) -> None:
        self._folder: bytes | None = None
        self._found: tuple[CachedIn, ...] = ()

    def of(self, path: bytes) -> CachedIn | None:
        """The cache that the file at this path (relative) is of."""
        folder, _, name = path.rpartition(b"/")
        if folder != self._folder:
            self._folder, self._found = folder, _caches_of(folder)
        for found in self._found:
            if not found.cache.only or re.search(found.cache.only, name.decode("latin-1")):
                return found
        return None


def is_database(path: bytes) -> bool:
    """Whether a package manager writes this file (relative) anew whenever it installs something."""
    return _DATABASES.match(path) is not None


def _caches_of(folder: bytes) -> tuple[CachedIn, ...]:
    text = folder.decode("utf-8", "surrogateescape")
    if not _HINTS.match(text):
        return ()
    found = []
    for pattern, cache in _FOLDERS:
        match = pattern.match(text)
        if match and (not cache.only or match.end() == len(text)):
            found.append(CachedIn(cache, "/" + match[0]))
    return tuple(found)
