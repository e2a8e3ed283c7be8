"""changes: what a container added, changed and deleted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.containers import creating, state
from lamina.containers.settings import parse
from lamina.db.files import absolute
from lamina.layers.lookup import Lookup
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.containers.context import Containers
    from lamina.db.containerdb import Container


class ContainerChange(NamedTuple):
    """One path; `kind` is A, C or D as in `docker diff`."""

    kind: str
    path: str  # absolute; os.fsencode gives its bytes


class Written(NamedTuple):
    """The writable layer of a container."""

    entries: tuple[Entry, ...]  # without digests
    folder: str  # where the files lie, by their paths


def changes(ctx: Containers, name: str) -> list[ContainerChange]:
    """The changes of a container, sorted by path; a folder with a change in it counts as changed."""
    row = state.find(ctx, name)
    parent = Lookup(ctx.layers, creating.diffs(ctx, row))
    return listed(_written(ctx, row, parent), parent)


def written(ctx: Containers, row: Container) -> Written:
    """What is in the writable layer of a container. NotFound when that has gone, Denied."""
    entries = _written(ctx, row, Lookup(ctx.layers, creating.diffs(ctx, row)))
    return Written(tuple(entries), creating.snapshotter_of(ctx, row).folder(row.id))


def _written(ctx: Containers, row: Container, parent: Lookup) -> Iterable[Entry]:
    stubs = frozenset(map(os.fsencode, parse(row.config_json).stubs))
    found = creating.snapshotter_of(ctx, row).changes(row.id, hidden=parent.names)
    return _without_stubs([entry for entry in found if entry.path], parent, stubs)


def listed(entries: Iterable[Entry], parent: Lookup) -> list[ContainerChange]:
    """The entries of a layer over `parent` as changes, sorted by path."""
    found = []
    for entry in entries:
        if entry.path:
            kind = "D" if entry.kind is Kind.WHITEOUT else "C" if parent.get(entry.path) else "A"
            found.append(ContainerChange(kind, absolute(entry.path)))
    return sorted(found, key=lambda change: os.fsencode(change.path))


def _without_stubs(found: list[Entry], parent: Lookup, stubs: frozenset[bytes]) -> Iterable[Entry]:
    """Leaves out mount points that are still empty, and folders that are here only because of them."""
    kept: list[Entry] = []
    inside: set[bytes] = set()  # folders with something kept in them
    for entry in reversed(found):  # sorted by path: what is in a folder comes before it
        if entry.path not in inside and (_is_stub(entry, stubs) or _is_on_the_way(entry, parent)):
            continue
        kept.append(entry)
        inside.add(entry.path.rpartition(b"/")[0])
    return kept


def _is_stub(entry: Entry, stubs: frozenset[bytes]) -> bool:
    return entry.path in stubs and (entry.kind is Kind.DIR or not entry.size)


def _is_on_the_way(entry: Entry, parent: Lookup) -> bool:
    """Whether a folder is as it was, aside from its time."""
    if entry.kind is not Kind.DIR:
        return False
    old = parent.get(entry.path)
    return old is not None and old._replace(mtime=0) == entry._replace(mtime=0)
