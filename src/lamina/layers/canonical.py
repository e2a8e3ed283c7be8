"""The form of the layers that we make: whole seconds, one mode for all links, files before their hard links.

Its tar is never written down: Canonical hashes it while the content passes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from lamina.errors import InvalidInput
from lamina.oci.digest import DiffID
from lamina.tree.entry import Entry, Kind
from lamina.tree.tar.write import TarWriter
from lamina.tree.whiteout import whiteout

if TYPE_CHECKING:
    from lamina.layers.write import LayerItem

SECOND = 1_000_000_000  # nanoseconds
LINK_MODE = 0o777  # what the kernel says of every symbolic link


class Canonical:
    """The diff ID of a layer whose entries are added in the order of their paths."""

    __slots__ = ("_hash", "_writer", "data")

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._writer = TarWriter(self._hash.update, exact=True)
        self.data = self._writer.data  # the content of the file added last, in pieces

    def add(self, entry: Entry) -> None:
        """Begins the next entry; the content of the one before is complete."""
        self._writer.add(entry)

    def finish(self) -> tuple[DiffID, int]:
        """The diff ID, and the size of the tar in bytes."""
        self._writer.finish()
        return DiffID("sha256:" + self._hash.hexdigest()), self._writer.written


def plain(entry: Entry) -> Entry:
    """The entry in the form that its tar record and its row have."""
    kind = entry.kind
    if kind is Kind.WHITEOUT:
        return whiteout(entry.path)
    rest = entry.mtime % SECOND
    if rest:
        entry = entry._replace(mtime=entry.mtime - rest)
    if kind is Kind.SYMLINK and entry.mode != LINK_MODE:
        entry = entry._replace(mode=LINK_MODE)
    return entry


def default_root(entry: Entry) -> bool:
    """Whether this is the root folder that a layer has when it says nothing about it."""
    return entry.mode == 0o755 and not entry.uid and not entry.gid and not entry.xattrs and not entry.opaque


def hard_links_last(items: list[LayerItem]) -> list[LayerItem]:
    """Makes the first name of each file its FILE, and the others HARDLINKs to it. `items` are sorted.

    InvalidInput when a HARDLINK names no FILE among them.
    """
    firsts: dict[bytes, bytes] = {}  # path of a FILE -> the first of its names
    for item in items:
        if item.entry.kind is Kind.HARDLINK:
            firsts.setdefault(item.entry.link, item.entry.path)
    if not firsts:
        return items
    files = {item.entry.path: item for item in items if item.entry.kind is Kind.FILE}
    for path in firsts:
        if path not in files:
            raise InvalidInput(
                f"hard link to {path.decode('utf-8', 'backslashreplace')}, which this layer lacks"
            )
    return [_in_order(item, firsts, files) for item in items]


def _in_order(item: LayerItem, firsts: dict[bytes, bytes], files: dict[bytes, LayerItem]) -> LayerItem:
    path, link = item.entry.path, item.entry.link
    file = path if path in firsts else link if item.entry.kind is Kind.HARDLINK else b""
    if not file:
        return item
    first = min(firsts[file], file)
    entry, source = files[file]
    if path == first:
        return item._replace(entry=entry._replace(path=path), source=source)
    return item._replace(entry=entry._replace(path=path, kind=Kind.HARDLINK, link=first), source=None)
