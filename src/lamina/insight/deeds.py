"""Deeds: what each layer did to one path, and what changed by it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.db.files import absolute
from lamina.tree.entry import WORDS, Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.db.versions import Versions
    from lamina.insight.stack import Stack

ADDED, CHANGED, DELETED = "added", "changed", "deleted"
_SECOND = 10**9
_NOTHING = Entry(b"", Kind.WHITEOUT, 0)


class Deed(NamedTuple):
    """What one layer did to a path, and how the path is afterwards; "" and 0 of what it then has not.

    `how` says what changed: "content", "mode 0644 -> 0600", "owner 0:0 -> 7:8", "link a -> b", "xattr NAME",
    "type file -> folder", "time", "emptied" (of a folder); () when it was only written once more. Of a path
    that went because of a folder above it `how` is ("with /FOLDER",).
    """

    layer: int  # from 1, the bottom
    diff_id: str
    what: str  # added, changed, deleted
    how: tuple[str, ...]
    kind: str  # file, folder, link, character device, block device, pipe, socket
    mode: int
    uid: int
    gid: int
    size: int  # bytes
    mtime: int  # seconds since 1970
    digest: str  # SHA-256 of a file's content, in hex
    link: str  # target of a link as written; for a hard link, the path of the file that it names
    created_by: str
    dockerfile: str
    line: int  # of the instruction in the Dockerfile, from 1; 0 where it is not known
    stage: str
    base: str  # the base image that brought the layer


class Step(NamedTuple):
    """What one layer did, as rows have it: `entry` is None where the path went."""

    layer: int  # from 0
    what: str
    before: Entry | None
    entry: Entry | None
    above: bool = False  # whether the path went because of a folder above it


def steps(found: Versions) -> Iterator[Step]:
    """What each layer did, oldest first; a deletion of what was not there is nothing."""
    before: Entry | None = None
    for layer, entry in found.versions:
        if entry is None or entry.kind is Kind.WHITEOUT:
            if before is not None:
                yield Step(layer, DELETED, before, None, entry is None)
            before = None
        else:
            yield Step(layer, ADDED if before is None else CHANGED, before, entry)
            before = entry


def deed(stack: Stack, step: Step, how: tuple[str, ...]) -> Deed:
    """A step, with what is known of its layer."""
    layer = stack.layers[step.layer]
    entry = step.entry or _NOTHING
    origin = layer.origin
    kind = WORDS[entry.kind] if step.entry is not None else ""
    link = absolute(entry.link) if entry.kind is Kind.HARDLINK else os.fsdecode(entry.link)
    return Deed(
        layer.number, layer.diff_id, step.what, how,
        kind, entry.mode, entry.uid, entry.gid, entry.size, entry.mtime // _SECOND,
        entry.digest, link,
        layer.created_by, origin.dockerfile if origin else "", layer.line, origin.stage if origin else "",
        layer.base,
    )  # fmt: skip


def changes(old: Entry, new: Entry) -> tuple[str, ...]:
    """What is different between two entries of one path, as Deed has it in `how`."""
    if WORDS[old.kind] != WORDS[new.kind]:
        return (f"type {WORDS[old.kind]} -> {WORDS[new.kind]}",)
    found = []
    if new.opaque:
        found.append("emptied")
    if WORDS[new.kind] == "file" and _differ(old, new):
        found.append("content")
    if new.kind is Kind.SYMLINK and old.link != new.link:
        found.append(f"link {os.fsdecode(old.link)} -> {os.fsdecode(new.link)}")
    if old.rdev != new.rdev:
        found.append("device {}:{} -> {}:{}".format(*old.rdev, *new.rdev))
    if old.mode != new.mode:
        found.append(f"mode {old.mode:04o} -> {new.mode:04o}")
    if (old.uid, old.gid) != (new.uid, new.gid):
        found.append(f"owner {old.uid}:{old.gid} -> {new.uid}:{new.gid}")
    found += [f"xattr {name}" for name in _xattrs(old, new)]
    if old.mtime != new.mtime and not found:
        found.append("time")
    return tuple(found)


def _differ(old: Entry, new: Entry) -> bool:
    """Whether two files differ in content; where a digest is not known their sizes have to tell."""
    return old.digest != new.digest if old.digest and new.digest else old.size != new.size


def _xattrs(old: Entry, new: Entry) -> list[str]:
    """The names of attributes that came, went or changed."""
    one, other = dict(old.xattrs), dict(new.xattrs)
    names = sorted({*one, *other})
    return [os.fsdecode(name) for name in names if one.get(name) != other.get(name)]
