"""transcribe: entries of one folder, written into another one, by copying or by moving."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.fs.create import Builder
from lamina.fs.failures import failure
from lamina.fs.folders import Folders
from lamina.fs.walk import open_file
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

_MADE_ANEW = frozenset({Kind.DIR, Kind.WHITEOUT})


def transcribe(entries: Iterable[Entry], source: str, into: str, *, move: bool) -> None:
    """Writes `entries`, which the folder `source` has, to the new folder `into`, on the same disk.

    `move` takes them away there. Without it `source` may be changing: what vanished is left out.
    """
    gone: set[bytes] = set()
    try:
        with Folders(source) as folders, Builder(into) as builder:
            for entry in entries:
                if entry.kind in _MADE_ANEW:
                    builder.put(entry)
                elif move:
                    builder.adopt(entry, folders.fd(entry.path.rpartition(b"/")[0]))
                elif entry.kind is Kind.FILE:
                    if not copy_file(builder, entry, folders, entry.path):
                        gone.add(entry.path)
                elif entry.link not in gone or entry.kind is not Kind.HARDLINK:
                    builder.put(entry)
            builder.finish()
    except OSError as error:
        raise failure(error, source) from error


def copy_file(builder: Builder, entry: Entry, folders: Folders, path: bytes) -> bool:
    """Copies the file at `path` below `folders` as `entry`; False when it is not there any more."""
    try:
        fd = open_file(folders, path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        builder.copy(entry, fd)
    finally:
        os.close(fd)
    return True
