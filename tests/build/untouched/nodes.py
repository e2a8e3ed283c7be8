"""Trees for parents of steps, written down in few words: paths with what lies there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.layers.write import LayerItem
from lamina.tree.entry import Entry, Kind
from tests.build.untouched import probes

if TYPE_CHECKING:
    from collections.abc import Mapping

TIME = 1_600_000_000 * 10**9


class Node(NamedTuple):
    """What lies at a path. `program` is one of probes.py whose content a file has."""

    kind: Kind
    data: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    link: str = ""
    rdev: tuple[int, int] = (0, 0)
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    program: str = ""
    opaque: bool = False


Tree = dict[str, Node]
Change = dict[str, Node | None]  # None: what was there is gone


def file(data: str | bytes = "", mode: int = 0o644, uid: int = 0, gid: int = 0, **xattrs: bytes) -> Node:
    """A file; the words are user attributes."""
    content = data.encode() if isinstance(data, str) else data
    return Node(Kind.FILE, content, mode, uid, gid, xattrs=attributes(**xattrs))


def script(text: str, mode: int = 0o755) -> Node:
    """A shell script that runs `text`."""
    return file(f"#!/bin/sh\n{text}\n", mode)


def built(program: str, mode: int = 0o755, **xattrs: bytes) -> Node:
    """A file that is one of the compiled programs."""
    return Node(Kind.FILE, mode=mode, program=program, xattrs=attributes(**xattrs))


def copied(path: str) -> Node:
    """A program of this machine."""
    with open(path, "rb") as opened:
        return file(opened.read(), 0o755)


def folder(mode: int = 0o755, uid: int = 0, gid: int = 0, opaque: bool = False, **xattrs: bytes) -> Node:
    """A folder; those on the way to something need none."""
    return Node(Kind.DIR, b"", mode, uid, gid, xattrs=attributes(**xattrs), opaque=opaque)


def link(target: str, uid: int = 0) -> Node:
    """A symbolic link."""
    return Node(Kind.SYMLINK, mode=0o777, uid=uid, link=target)


def name_of(path: str) -> Node:
    """A hard link: another name of a file in the same tree."""
    return Node(Kind.HARDLINK, link=path)


def fifo(mode: int = 0o644) -> Node:
    """A named pipe."""
    return Node(Kind.FIFO, mode=mode)


def device(major: int, minor: int) -> Node:
    """A character device, which nobody can open."""
    return Node(Kind.CHAR, rdev=(major, minor))


def attributes(**values: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Extended attributes; a name without a namespace is a user attribute, `__` stands for a point."""
    named = {name.replace("__", "."): value for name, value in values.items()}
    full = {name if "." in name else f"user.{name}": value for name, value in named.items()}
    return tuple(sorted((name.encode(), value) for name, value in full.items()))


def changed(tree: Mapping[str, Node], change: Mapping[str, Node | None]) -> Tree:
    """A tree as it is after a change; what lies in a folder that goes, or becomes another thing, goes."""
    merged: dict[str, Node | None] = {**tree, **change}
    lost = tuple(f"{path}/" for path, node in change.items() if node is None or node.kind is not Kind.DIR)
    for path, node in change.items():
        if node is None and path.rpartition("/")[0]:  # its folder stays, though it may be empty now
            merged.setdefault(path.rpartition("/")[0], folder())
    kept = {path for path in merged if path in change or not path.startswith(lost or ("\0",))}
    return {path: node for path, node in merged.items() if node is not None and path in kept}


def on_top(change: Mapping[str, Node | None]) -> Tree:
    """A change as a layer of its own; a folder that goes and comes again hides what it had."""
    gone = [path for path, node in change.items() if node is None]
    layer: Tree = {path: node for path, node in change.items() if node is not None}
    for path in sorted(gone):
        if not any(path.startswith(f"{other}/") for other in gone):
            again = any(each.startswith(f"{path}/") for each in layer)
            layer[path] = folder(opaque=True) if again else Node(Kind.WHITEOUT)
    return layer


def items(tree: Mapping[str, Node], time: int = TIME) -> list[LayerItem]:
    """What write_layer makes the tree from."""
    return [_item(path, node, time) for path, node in sorted(tree.items())]


def _item(path: str, node: Node, time: int) -> LayerItem:
    kind, data, mode, uid, gid, target, rdev, xattrs, program, opaque = node
    content = probes.program(program).read_bytes() if program else data
    entry = Entry(
        path.encode(errors="surrogateescape"),
        kind,
        mode,
        uid,
        gid,
        len(content),
        time,
        target.encode(),
        rdev,
        xattrs,
        opaque=opaque,
    )
    return LayerItem(entry, content if kind is Kind.FILE else None)
