"""Which entries of a writable layer are changes, and which are only copies of what the parent has. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from lamina.layers.canonical import default_root
from lamina.tree.entry import Entry, Kind
from lamina.tree.tree import parent_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lamina.layers.lookup import Lookup

_MANY = 8  # from so many entries in one folder on, the parent's folder is listed at once


class Parent:
    """The parent's entries, asked for in the order of paths: what lies in a new folder needs no look-up."""

    def __init__(self, lookup: Lookup, entries: Iterable[Entry]) -> None:
        """`entries` are those that will be asked for."""
        self._lookup = lookup
        self._counts = Counter([parent_of(entry.path) for entry in entries])
        self._folders = {b""}  # those that the parent has
        self._listed: dict[bytes, dict[bytes, Entry]] = {}

    def get(self, path: bytes) -> Entry | None:
        """What the parent has at `path`; its root is always there."""
        folder = parent_of(path)
        if not path or (folder in self._folders and self._counts[folder] < _MANY):
            entry = self._lookup.get(path)
        elif folder in self._folders:
            entry = self._children(folder).get(path)
        else:
            return None
        if entry is not None and entry.kind is Kind.DIR:
            self._folders.add(path)
        return entry

    def _children(self, folder: bytes) -> dict[bytes, Entry]:
        if folder not in self._listed:
            self._listed[folder] = {entry.path: entry for entry in self._lookup.children(folder)}
        return self._listed[folder]


def changed(
    entries: Iterable[Entry],
    parent: Parent,
    stubs: frozenset[bytes],
    digest: Callable[[Entry], str],
    one_owner: bool = False,
) -> list[Entry]:
    """The entries that make the layer, sorted; `entries` is the scan of a writable layer, sorted.

    Left out are: what equals the parent's (a folder's mtime aside, unless something in it changed), `stubs`
    that are still empty, deletions of what the parent does not have, sockets. `digest` reads a file that
    looks like the parent's. With `one_owner` the disk cannot hold owners: what is root's keeps the parent's.
    """
    olds: list[Entry | None] = []
    news: list[Entry] = []
    for entry in entries:
        old = parent.get(entry.path)
        if one_owner and old is not None:
            entry = _with_owner(entry, old)
        olds.append(old)
        news.append(entry)
    linked = _changed_links(news, olds, digest)
    kept: list[Entry] = []
    needed: set[bytes] = set()  # folders that something kept lies in
    for entry, old in zip(reversed(news), reversed(olds), strict=True):
        if entry.path in needed or _is_change(entry, old, stubs, linked, digest):
            kept.append(entry)
            if entry.path:
                needed.add(parent_of(entry.path))
    kept.reverse()
    if kept and not kept[0].path and default_root(kept[0]) and _same_but_time(kept[0], olds[0]):
        del kept[0]  # the root is always there: it is named where it is not as usual
    return kept


def _is_change(
    entry: Entry,
    old: Entry | None,
    stubs: frozenset[bytes],
    linked: dict[bytes, bool],
    digest: Callable[[Entry], str],
) -> bool:
    """Whether the entry counts although nothing kept lies in it."""
    kind = entry.kind
    if kind is Kind.SOCKET:
        return False
    if kind is Kind.WHITEOUT:
        return old is not None
    group = entry.link if kind is Kind.HARDLINK else entry.path
    if group in linked:
        return linked[group]
    if entry.path in stubs and (kind is Kind.DIR or (kind is Kind.FILE and entry.size == 0)):
        return False
    if kind is Kind.DIR:
        return entry.opaque or not _same_but_time(entry, old)
    return not _same(entry, old, digest)


def _changed_links(
    news: Sequence[Entry], olds: Sequence[Entry | None], digest: Callable[[Entry], str]
) -> dict[bytes, bool]:
    """For each FILE with further names: whether any name changed: all are kept, or none."""
    groups = {entry.link: False for entry in news if entry.kind is Kind.HARDLINK}
    for entry, old in zip(news, olds, strict=True):
        group = entry.link if entry.kind is Kind.HARDLINK else entry.path
        if groups.get(group) is False and not _same(entry, old, digest):
            groups[group] = True
    return groups


def _with_owner(entry: Entry, old: Entry) -> Entry:
    if entry.uid or entry.gid or entry.kind is Kind.WHITEOUT or _shape(entry) is not _shape(old):
        return entry
    return entry._replace(uid=old.uid, gid=old.gid)


def _shape(entry: Entry) -> Kind:
    """The kind, with every name of a file being a FILE."""
    return Kind.FILE if entry.kind is Kind.HARDLINK else entry.kind


def _same_but_time(new: Entry, old: Entry | None) -> bool:
    return (
        old is not None
        and _shape(new) is _shape(old)
        and (new.mode == old.mode or new.kind is Kind.SYMLINK)
        and new.uid == old.uid
        and new.gid == old.gid
        and new.xattrs == old.xattrs
    )


def _same(new: Entry, old: Entry | None, digest: Callable[[Entry], str]) -> bool:
    """Whether nothing differs; the content is read only if all else is equal."""
    if old is None or not _same_but_time(new, old):
        return False
    if new.mtime != old.mtime or new.size != old.size or new.rdev != old.rdev:
        return False
    if _shape(new) is Kind.FILE:
        return new.size == 0 or digest(new) == old.digest
    return new.link == old.link
