"""Finding: what was asked for, in the rows of all layers and in the writable layer of a container."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from lamina.db import holders, packagedb
from lamina.db.packagedb import Listed, is_pattern
from lamina.insight.who.query import HASH, NAME, PACKAGE, PATH, WORD, spellings
from lamina.tree.entry import FILES, Entry, Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lamina.db.containerdb import Container
    from lamina.insight.who.query import Query


class Find(NamedTuple):
    """It at one path of one layer."""

    diff: int  # number of the layer's row; 0 for a writable layer
    path: bytes
    entry: Entry | None = None  # None for a package
    manager: str = ""
    package: Listed | None = None


class WritableLayer(NamedTuple):
    """What a container wrote."""

    row: Container
    entries: Mapping[bytes, Entry]  # by path; a FILE without a digest
    open: Callable[[bytes], BinaryIO]


def find(
    c: sqlite3.Connection, query: Query, more: sqlite3.Connection | None = None
) -> tuple[str, list[Find]]:
    """What it was taken for (hash, path, name, package), and where it is.

    `more` is a database with packages of layers that `c` cannot be told of.
    """
    if query.kind != WORD:
        return query.kind, _find(c, query, query.kind, more)
    for kind in (PACKAGE, *([HASH] if query.digits else []), NAME):
        found = _find(c, query, kind, more)
        if found:
            return kind, found
    return PACKAGE, []


def _find(c: sqlite3.Connection, query: Query, kind: str, more: sqlite3.Connection | None) -> list[Find]:
    if kind == PACKAGE:
        return [
            Find(place.diff, place.path, None, place.kind, place.listed)
            for each in (c, more)
            if each is not None
            for place in packagedb.places_listing(each, query.name, query.version, query.manager)
        ]
    return [Find(held.diff, held.entry.path, held.entry) for held in _holders(c, query, kind)]


def _holders(c: sqlite3.Connection, query: Query, kind: str) -> list[holders.Holder]:
    if kind == HASH:
        return holders.with_digest(c, query.digits)
    if kind == NAME:
        found = holders.named(c, query.path)
    else:
        found = [held for path in spellings(query.path) for held in holders.at_path(c, path)]
    if found or not query.is_pattern:  # a name may have a `[` of its own
        return found
    return holders.matching(c, query.path, whole=kind == PATH)


def in_writable(layer: WritableLayer, query: Query, kind: str) -> list[Find]:
    """It in what a container wrote; files are read where their content counts."""
    if kind == PACKAGE:
        return list(_packages(layer, query))
    entries = [entry for entry in layer.entries.values() if entry.path and entry.kind is not Kind.WHITEOUT]
    if kind == HASH:
        return [
            Find(0, entry.path, found) for entry in entries if (found := _hashed(layer, entry, query.digits))
        ]
    fits = _fit_for(query, kind)
    return [Find(0, entry.path, entry) for entry in entries if fits(entry.path)]


def _fit_for(query: Query, kind: str) -> Callable[[bytes], bool]:
    """Whether a path is what is asked for."""
    wanted = spellings(query.path) if kind == PATH else [query.path]
    pattern = os.fsdecode(query.path) if query.is_pattern else ""

    def fits(path: bytes) -> bool:
        text = path if kind == PATH else path.rpartition(b"/")[2]
        return text in wanted or (bool(pattern) and fnmatchcase(os.fsdecode(text), pattern))

    return fits


def _hashed(layer: WritableLayer, entry: Entry, digits: str) -> Entry | None:
    """The entry with its digest, if that begins so."""
    if entry.kind not in FILES:
        return None
    import hashlib

    try:
        with layer.open(entry.path) as stream:
            digest = hashlib.file_digest(cast("Any", stream), "sha256").hexdigest()
    except OSError:  # gone meanwhile: the container may be running
        return None
    return entry._replace(digest=digest) if digest.startswith(digits) else None


def _packages(layer: WritableLayer, query: Query) -> Iterator[Find]:
    from lamina.insight.packages import managers  # with the parsers of all of them
    from lamina.insight.who import reading

    for entry in layer.entries.values():
        manager = managers.manager_of(entry.path) if entry.kind is Kind.FILE else ""
        if not manager or query.manager not in ("", manager):
            continue
        try:
            with layer.open(entry.path) as stream:
                listed = reading.read(manager, entry.path, stream)
        except OSError:
            continue
        for package in listed:
            if _is_asked(manager, package, query):
                yield Find(0, entry.path, None, manager, package)


def _is_asked(manager: str, package: Listed, query: Query) -> bool:
    names = (packagedb.key_of(manager, package.name), package.source)
    wanted = (query.name, packagedb.key_of(manager, query.name))
    return _any(wanted, names) and (not query.version or _any((query.version,), (package.version,)))


def _any(patterns: Sequence[str], texts: Sequence[str]) -> bool:
    return any(
        text and (fnmatchcase(text, pattern) if is_pattern(pattern) else text == pattern)
        for text in texts
        for pattern in patterns
    )
