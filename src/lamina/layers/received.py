"""Received: the entries of a layer that somebody else packed, as its archive is read from start to end.

An archive may name a path twice, put things below links that it made, leave out folders, and delete what it
also has. Here all of that becomes what a layer of ours is: each path once, with its real folders. What would
lead out of the layer is refused.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.errors import InvalidInput
from lamina.fs.entries import Entries
from lamina.fs.failures import shown
from lamina.fs.xattr import belongs
from lamina.layers.canonical import LINK_MODE
from lamina.tree.entry import Entry, Kind
from lamina.tree.tree import parent_of
from lamina.tree.whiteout import Mark, meaning, whiteout

if TYPE_CHECKING:
    from collections.abc import Callable

    # Makes an entry on the disk; returns the digest of a FILE, else "".
    Put = Callable[[Entry], str]

_MAX_LINKS = 40  # as in Linux
_ROOT = Entry(b"", Kind.DIR)


class Received:
    """Gathers entries; `put` is called with each that has to be made, after those that it needs.

    `literal`: the archive is of a folder and not of a layer, so that no name stands for a deletion. `made`
    is empty and takes the entries.
    """

    def __init__(self, put: Put, *, literal: bool = False, made: Entries | None = None) -> None:
        self._put = put
        self._literal = literal
        self._made = Entries() if made is None else made
        self._last = b""  # a folder that something lay in just now
        self._opaque = False  # whether there are opaque folders

    def add(self, entry: Entry, put_file: Put) -> None:
        """Takes the next entry of the archive, with its path as in the archive; `put_file` makes a FILE.

        InvalidInput for what leads out of the layer, a hard link to nothing, or a file used as a folder.
        """
        mark, path = (Mark.PLAIN, entry.path) if self._literal else meaning(entry.path)
        if mark is Mark.IGNORED:
            return
        if path:
            folder = self._folder(parent_of(path))
            name = path.rpartition(b"/")[2]
            path = folder + b"/" + name if folder else name
        if mark is Mark.OPAQUE:
            self._make(self._dir(path)._replace(opaque=True))
        elif mark is Mark.WHITEOUT:
            self._delete(path)
        elif entry.kind is Kind.HARDLINK:
            self._link(path, entry.link)
        elif entry.kind is Kind.FILE:
            entry = _kept(entry, path)
            self._set(entry._replace(digest=put_file(entry)))
        else:
            self._make(_kept(entry, path))

    def entries(self) -> Entries:
        """All entries, sorted by path. Deletions below an opaque folder say nothing more and are left out."""
        if self._opaque:
            self._made.drop(self._is_hidden)
        return self._made

    def _is_hidden(self, entry: Entry) -> bool:
        if entry.kind is not Kind.WHITEOUT:
            return False
        folder = self._made.get(parent_of(entry.path))
        return folder is not None and folder.opaque

    def _make(self, entry: Entry) -> None:
        self._put(entry)
        self._set(entry)

    def _set(self, entry: Entry) -> None:
        """Notes an entry that is on the disk, in place of what had its path before."""
        path = entry.path
        old = self._made.get(path)
        if old is not None:
            if old.kind is Kind.DIR or old.kind is Kind.WHITEOUT:
                if entry.kind is Kind.DIR and (old.opaque or old.kind is Kind.WHITEOUT):
                    entry = entry._replace(opaque=True)
            else:
                self._forget(old)
        self._note(entry)

    def _note(self, entry: Entry) -> None:
        if entry.opaque:
            self._opaque = True
        self._made.put(entry)

    def _delete(self, path: bytes) -> None:
        """A whiteout is about the layers below: what this layer has itself at the path stays."""
        if not path:
            raise InvalidInput("a deletion of the root")
        self._put(whiteout(path))
        old = self._made.get(path)
        if old is None:
            self._note(whiteout(path))
        elif old.kind is Kind.DIR:
            self._note(old._replace(opaque=True))

    def _link(self, path: bytes, link: bytes) -> None:
        folder = self._folder(parent_of(link))
        name = link.rpartition(b"/")[2]
        target = self._made.get(folder + b"/" + name if folder else name)
        if target is not None and target.kind is Kind.HARDLINK:
            target = self._made.get(target.link)
        if target is None or target.kind is Kind.WHITEOUT:
            raise InvalidInput(f"{shown(path)}: a hard link to {shown(link)}, which the layer does not have")
        if target.kind is Kind.DIR:
            raise InvalidInput(f"{shown(path)}: a hard link to the folder {shown(link)}")
        if target.path == path:  # a further name of a file, for the name that it has
            return
        if target.kind is Kind.FILE:
            self._make(target._replace(path=path, kind=Kind.HARDLINK, link=target.path))
        else:  # that links and devices share an inode can hardly be seen
            self._make(target._replace(path=path))

    def _forget(self, old: Entry) -> None:
        """The name is taken by something else; a file with other names lives on under them."""
        first = b""
        for name in self._made.names(old.path) if old.kind is Kind.FILE else ():
            entry = old._replace(path=name)
            self._made.put(entry._replace(kind=Kind.HARDLINK, link=first) if first else entry)
            first = first or name

    def _dir(self, path: bytes) -> Entry:
        """The folder at `path`, or one with nothing special about it; InvalidInput if it is no folder."""
        entry = self._made.get(path)
        if entry is None or entry.kind is Kind.WHITEOUT:
            return _ROOT._replace(path=path, opaque=entry is not None)
        if entry.kind is not Kind.DIR:
            raise InvalidInput(f"{shown(path)} is a folder and something else in one layer")
        return entry

    def _folder(self, path: bytes) -> bytes:
        """The real path of a folder that something lies in; what is missing on the way is made."""
        if not path or path == self._last:
            return path
        entry = self._made.get(path)
        if entry is not None and entry.kind is Kind.DIR:
            self._last = path  # what is a folder once stays one
            return path
        at, links = b"", 0
        todo = path.split(b"/")[::-1]
        while todo:
            part = todo.pop()
            if part == b".." and not at:
                raise _leads_out(path)
            if part in (b"", b".", b".."):
                at = parent_of(at) if part == b".." else at
                continue
            here = at + b"/" + part if at else part
            entry = self._made.get(here)
            if entry is not None and entry.kind is Kind.SYMLINK:
                links += 1
                if entry.link.startswith(b"/") or links > _MAX_LINKS:
                    raise _leads_out(path)
                todo += entry.link.split(b"/")[::-1]
                continue
            if entry is None or entry.kind is not Kind.DIR:
                self._make(self._dir(here))
            at = here
        return at


def _kept(entry: Entry, path: bytes) -> Entry:
    """What we keep of an entry: of its attributes only those that belong to a file."""
    xattrs = entry.xattrs
    if xattrs:
        xattrs = tuple([pair for pair in xattrs if belongs(os.fsdecode(pair[0]))])
    if entry.kind is Kind.SYMLINK:
        return entry._replace(path=path, mode=LINK_MODE, xattrs=())
    return entry._replace(path=path, xattrs=xattrs) if path != entry.path or xattrs != entry.xattrs else entry


def _leads_out(path: bytes) -> InvalidInput:
    return InvalidInput(f"{shown(path)}: a symbolic link on the way leads out of the layer")
