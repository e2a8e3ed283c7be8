"""Change: what differs between two trees; and from changes to a layer, and from a layer to a tree.

The rules are those of image-spec layer.md. For any two merged trees `a` and `b`,
`apply(a, layer_of(diff(a, b), b))` is `b`, apart from the mtimes of what is in no change.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from lamina.tree.entry import Entry, Kind
from lamina.tree.tree import Tree, ancestors
from lamina.tree.whiteout import whiteout

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Set


class ChangeKind(StrEnum):
    """One letter each, as `docker diff` prints them."""

    ADD = "A"
    MODIFY = "C"
    DELETE = "D"


class Change(NamedTuple):
    """One path that differs. A deleted folder is one change, whatever it had in it."""

    kind: ChangeKind
    path: bytes
    old: Entry | None
    new: Entry | None


def diff(old: Tree, new: Tree, mtimes: bool = False) -> tuple[Change, ...]:
    """The changes from `old` to `new`, sorted by path.

    Without `mtimes` a time alone is no change, but for a file whose digest is not known on one side.
    When one name of a file changes all its names are MODIFY: a layer can only hold them together.
    """
    found: dict[bytes, Change] = {}
    for entry in new:
        before = old.get(entry.path)
        if before is None:
            found[entry.path] = Change(ChangeKind.ADD, entry.path, None, entry)
        elif not _same(before, entry, mtimes):
            found[entry.path] = Change(ChangeKind.MODIFY, entry.path, before, entry)
    _add_names(found, old, new)
    for entry in old:
        if entry.path not in new and _is_top(entry.path, old, new):
            found[entry.path] = Change(ChangeKind.DELETE, entry.path, entry, None)
    return tuple([found[path] for path in sorted(found)])


def layer_of(changes: Iterable[Change], new: Tree) -> tuple[Entry, ...]:
    """The entries of the layer that makes these changes, sorted; `new` is the tree after them.

    The folders above each change are in it too: who unpacks a layer on its own would have to invent
    their owner and mode.
    """
    layer: dict[bytes, Entry] = {}
    for change in changes:
        layer[change.path] = whiteout(change.path) if change.new is None else change.new
        for folder in ancestors(change.path):
            entry = new.get(folder)
            if folder in layer:
                break
            if entry is not None:
                layer[folder] = entry
    return tuple([layer[path] for path in sorted(layer)])


def apply(tree: Tree, layer: Iterable[Entry]) -> Tree:
    """The merged tree after `layer`, whose whiteouts and opaque folders take effect and disappear.

    Folders that the layer implies but does not have stay as they were, or are root's with mode 0755.
    The names of a file that lose the one that they link to become a file of their own.
    """
    entries = sorted(layer)  # a folder comes before what is in it
    merged = {entry.path: entry for entry in tree}
    for entry in entries:
        before = tree.get(entry.path)
        is_dir = entry.kind is Kind.DIR
        if entry.opaque or (before is not None and before.kind is Kind.DIR and not is_dir):
            for below in tree.below(entry.path):
                merged.pop(below.path, None)
        if entry.kind is Kind.WHITEOUT:
            merged.pop(entry.path, None)
    for entry in entries:
        if entry.kind is not Kind.WHITEOUT:
            _imply_folders(entry.path, merged)
            merged[entry.path] = entry._replace(opaque=False) if entry.opaque else entry
    relink(tree, {entry.path for entry in entries}, merged)
    _complete_links(entries, merged)
    return Tree(merged.values())


def _same(a: Entry, b: Entry, mtimes: bool) -> bool:
    if a == b:
        return True
    if mtimes:
        return False
    unknown = a.size and not (a.digest and b.digest)
    return not unknown and a._replace(mtime=b.mtime, digest=b.digest if not a.size else a.digest) == b


def _add_names(found: dict[bytes, Change], old: Tree, new: Tree) -> None:
    """Adds the other names of each changed file that has several."""
    names = _names(new)
    for path in list(found):
        entry = new.get(path)
        first = entry.link if entry is not None and entry.kind is Kind.HARDLINK else path
        for name in names.get(first, ()):
            other = new.get(name)
            if name not in found and other is not None:
                found[name] = Change(ChangeKind.MODIFY, name, old.get(name), other)


def _names(tree: Tree) -> dict[bytes, list[bytes]]:
    """All names of each file that has several, by the one that is the FILE."""
    names: dict[bytes, list[bytes]] = {}
    for entry in tree:
        if entry.kind is Kind.HARDLINK:
            names.setdefault(entry.link, [entry.link]).append(entry.path)
    return names


def _is_top(path: bytes, old: Tree, new: Tree) -> bool:
    """Whether the folder of a missing path is still a folder, so that the path itself was deleted."""
    folder = path.rpartition(b"/")[0]
    entry = new.get(folder)
    return not folder or folder not in old or (entry is not None and entry.kind is Kind.DIR)


def _imply_folders(path: bytes, merged: dict[bytes, Entry]) -> None:
    for folder in ancestors(path):
        entry = merged.get(folder)
        if entry is not None and entry.kind is Kind.DIR:
            break
        merged[folder] = Entry(folder, Kind.DIR)


def relink(tree: Tree, touched: Set[bytes], merged: dict[bytes, Entry]) -> None:
    """Of the names in `merged` that lost their file, makes the first that file, and links the others to it.

    `tree` is what they were in before, `touched` are the paths that were written since.
    """
    heirs: dict[bytes, bytes] = {}
    for entry in tree:
        path, target = entry.path, entry.link
        if entry.kind is not Kind.HARDLINK or path in touched or path not in merged:
            continue
        if target not in touched and merged.get(target) is tree.get(target):
            continue
        if target in heirs:
            merged[path] = entry._replace(link=heirs[target])
        else:
            heirs[target] = path
            merged[path] = entry._replace(kind=Kind.FILE, link=b"")


def _complete_links(layer: Iterable[Entry], merged: dict[bytes, Entry]) -> None:
    """Gives the layer's hard links the metadata of their files, which tar headers need not repeat."""
    for entry in layer:
        if entry.kind is Kind.HARDLINK:
            file = _file_of(entry, merged)
            if file is not None:
                merged[entry.path] = file._replace(path=entry.path, kind=Kind.HARDLINK, link=file.path)


def _file_of(link: Entry, merged: Mapping[bytes, Entry]) -> Entry | None:
    """The file that a hard link names, by way of other hard links too."""
    seen: set[bytes] = set()
    entry: Entry | None = link
    while entry is not None and entry.kind is Kind.HARDLINK and entry.path not in seen:
        seen.add(entry.path)
        entry = merged.get(entry.link)
    return entry if entry is not None and entry.kind is Kind.FILE else None
