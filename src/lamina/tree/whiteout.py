"""The names that stand for deletions in a layer's tar (image-spec layer.md#whiteouts)."""

from __future__ import annotations

from enum import Enum

from lamina.tree.entry import Entry, Kind

PREFIX = b".wh."
OPAQUE = b".wh..wh..opq"  # the folder it lies in hides what is below
_AUFS = b".wh..wh."  # AUFS kept its own files under such names (.wh..wh.plnk, .wh..wh.aufs)


class Mark(Enum):
    """What a path in a layer's tar means."""

    PLAIN = "plain"  # the path itself
    WHITEOUT = "whiteout"  # the path is deleted
    OPAQUE = "opaque"  # the folder's content of the layers below is deleted
    IGNORED = "ignored"  # AUFS's own; also whatever lies below such a name


def meaning(path: bytes) -> tuple[Mark, bytes]:
    """What `path` of a layer's tar means, and which path of the tree it is about.

    `a/.wh.b` is a WHITEOUT of `a/b`, `a/.wh..wh..opq` makes `a` OPAQUE.
    """
    if PREFIX not in path:
        return Mark.PLAIN, path
    folder, slash, name = path.rpartition(b"/")
    if any(part.startswith(_AUFS) for part in folder.split(b"/")):
        return Mark.IGNORED, path
    if name == OPAQUE:
        return Mark.OPAQUE, folder
    if name.startswith(_AUFS) or name in (PREFIX, b".wh..", b".wh..."):
        return Mark.IGNORED, path
    if name.startswith(PREFIX):
        return Mark.WHITEOUT, folder + slash + name[len(PREFIX) :]
    return Mark.PLAIN, path


def name_of(path: bytes) -> bytes:
    """The tar path that deletes `path`."""
    folder, slash, name = path.rpartition(b"/")
    return folder + slash + PREFIX + name


def opaque_name(folder: bytes) -> bytes:
    """The tar path that makes `folder` opaque; b"" is the root."""
    return folder + b"/" + OPAQUE if folder else OPAQUE


def whiteout(path: bytes) -> Entry:
    """The Entry that deletes `path`; all its metadata is fixed, so that equal deletions are equal."""
    return Entry(path, Kind.WHITEOUT, mode=0)
