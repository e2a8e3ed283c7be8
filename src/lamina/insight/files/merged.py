"""Merged: what a process sees above some layers of an image, asked of the rows alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.db import cachedb
from lamina.db.files import absolute
from lamina.db.versions import versions, versions_at
from lamina.errors import NotFound
from lamina.fs.failures import shown
from lamina.tree.entry import Entry, Kind
from lamina.tree.tree import resolve

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from lamina.oci.digest import DiffID

_ROOT = Entry(b"", Kind.DIR)


class Found(NamedTuple):
    """What is at one path, and the layer that says so: from 1, the bottom; 0 for a root that none has."""

    layer: int
    entry: Entry


class ImageFile(NamedTuple):
    """One path of an image as a process would see it; times in nanoseconds since 1970."""

    path: str  # absolute, by os.fsdecode
    type: str  # as in find -type: f, d, l, c, b, p
    mode: int  # permission bits
    uid: int
    gid: int
    size: int  # bytes in a file, else 0
    mtime: int
    target: str  # of a symbolic link, as written
    hard_link: str  # the other name of this file, where its layer has it as a hard link to that
    device: tuple[int, int]  # major, minor
    xattrs: tuple[tuple[str, str], ...]
    digest: str  # SHA-256 of the content in hex; "" for what has none
    layer: int  # that wrote it last, from 1, the bottom


class Merged:
    """The merged view of a stack of layers. Paths are relative bytes as in Entry; b"" is the root."""

    def __init__(
        self, c: sqlite3.Connection, diff_ids: Sequence[DiffID], whole: Sequence[DiffID] = ()
    ) -> None:
        """`diff_ids` are the layers, the bottom first; `whole` those of the image, where these are a part."""
        self.diff_ids = tuple(diff_ids)
        self._c = c
        self._whole = tuple(whole) or self.diff_ids
        self._chain = self.diff_ids[::-1]
        self._numbers = {diff_id: number for number, diff_id in enumerate(diff_ids, 1)}

    def get(self, path: bytes) -> Entry | None:
        """The entry at `path`, no link followed; None where there is nothing."""
        found = self.find(path)
        return found.entry if found else None

    def find(self, path: bytes) -> Found | None:
        """The same with its layer."""
        found = cachedb.lookup(self._c, self._chain, path) if self._chain else None
        if found is None:
            return None if path else Found(0, _ROOT)
        return Found(self._numbers[found[0]], found[1])

    def need(self, path: bytes, *, follow_last: bool = True) -> Found:
        """What is at `path`, links on the way followed. NotFound, with the layer that deleted it."""
        at = self.resolve(path, follow_last=follow_last)
        found = self.find(at)
        if found is None:
            raise self._missing(path, at)
        return found

    def resolve(self, path: bytes, *, follow_last: bool = True) -> bytes:
        """Where a path leads inside the image. InvalidInput for a loop, and for a file used as a folder."""
        return resolve(path, self.get, follow_last)

    def children(self, path: bytes) -> Iterator[Found]:
        """What the folder at `path` holds, sorted by name; nothing where it is no folder."""
        if self._chain:
            for diff_id, entry in cachedb.list_dir(self._c, self._chain, path).values():
                yield Found(self._numbers[diff_id], entry)

    def walk(self, path: bytes = b"") -> Iterator[Found]:
        """What is at `path` and all below it, in one pass; memory does not grow with the number of files.

        A folder comes before what is in it, but what is in its folders after all that lies directly in it.
        """
        rooted = False
        for each in versions(self._c, self.diff_ids, path):
            rooted = rooted or not each.path
            if not path and not rooted:
                rooted = True
                yield Found(0, _ROOT)
            now = each.now
            if now is not None:
                assert now.entry is not None
                yield Found(now.layer + 1, now.entry)
        if not path and not rooted:
            yield Found(0, _ROOT)

    def _missing(self, path: bytes, at: bytes) -> NotFound:
        """The error for what is not there: it says which state of the image had it."""
        name = b"/" + path.lstrip(b"/")
        hint = None
        known = versions_at(self._c, self._whole, at) if self._whole else None
        if known is not None:
            there = [number for number in range(len(self._whole)) if known.after(number)]
            if there:
                hint = f"it is there after layer {there[-1] + 1}: --layer {there[-1] + 1}"
        return NotFound(f"{shown(name)}: no such file or directory", hint=hint)


def image_file(found: Found) -> ImageFile:
    """The public form of what was found."""
    entry = found.entry
    is_link = entry.kind is Kind.HARDLINK
    return ImageFile(
        absolute(entry.path),
        "f" if is_link else str(entry.kind),
        entry.mode,
        entry.uid,
        entry.gid,
        entry.size,
        entry.mtime,
        "" if is_link else os.fsdecode(entry.link),
        absolute(entry.link) if is_link else "",
        entry.rdev,
        tuple([(os.fsdecode(name), os.fsdecode(value)) for name, value in entry.xattrs]),
        entry.digest,
        found.layer,
    )
