"""make_root: the top folder of a snapshot, which has the mode and owner of the image's root."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from lamina.fs import walk
from lamina.fs.stamp import Stamp
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

_PLAIN = Entry(b"", Kind.DIR, 0o755)


def make_root(path: str, parents: Sequence[str]) -> None:
    """Makes the folder `path`, empty, as the merged view of `parents` (top first) has its root."""
    os.mkdir(path, 0o700)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        Stamp().open_file(fd, root_of(parents)._replace(mtime=time.time_ns()))
    finally:
        os.close(fd)


def root_of(parents: Sequence[str]) -> Entry:
    """Mode, owner and attributes of the merged root.

    Most layers do not mention the root, and their folders have the plain one: those are passed over.
    """
    for parent in parents:
        entry = walk.root_entry(parent)._replace(mtime=0, opaque=False)
        if entry != _PLAIN:
            return entry
    return _PLAIN
