"""What folders of an image hold, folder by folder (`lamina ls`), and with the sizes below (`lamina tree`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.insight.files.merged import ImageFile, image_file
from lamina.tree.entry import Kind
from lamina.tree.tree import parent_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.insight.files.merged import Found, Merged


class Listing(NamedTuple):
    """A folder, and what lies in it, sorted by name; of anything else just the file itself."""

    folder: ImageFile | None  # None where `files` is the one thing that was asked for
    files: tuple[ImageFile, ...]


class TreeLine(NamedTuple):
    """One line of a tree, which is told depth first."""

    depth: int  # 0 for the path that was asked for
    is_last: bool  # of those in its folder
    file: ImageFile
    size: int  # bytes in the file, or in all files below the folder; of hard links each name counts
    files: int  # how many things lie below a folder, folders included


def ls(
    merged: Merged, path: bytes, *, recursive: bool = False, itself: bool = False, follow: bool = True
) -> Iterator[Listing]:
    """What the folder at `path` holds, `recursive` also those below it, each before what is in it.

    With `itself` the folder is listed like a file. Without `follow` a link that `path` ends with is shown
    as a link. NotFound, InvalidInput.
    """
    found = merged.need(path, follow_last=follow)
    if itself or found.entry.kind is not Kind.DIR:
        yield Listing(None, (image_file(found),))
        return
    todo = [found]
    while todo:
        folder = todo.pop()
        inside = list(merged.children(folder.entry.path))
        yield Listing(image_file(folder), tuple(map(image_file, inside)))
        if recursive:
            todo += [each for each in reversed(inside) if each.entry.kind is Kind.DIR]


def tree(merged: Merged, path: bytes, *, levels: int = 0, folders_only: bool = False) -> Iterator[TreeLine]:
    """The path and what is below it, depth first, at most `levels` folders deep (0: all). NotFound."""
    top = merged.need(path)
    sums = _sums(merged, top.entry.path, levels)
    todo = [(0, True, top)]
    while todo:
        depth, is_last, found = todo.pop()
        entry = found.entry
        is_folder = entry.kind is Kind.DIR
        size, files = sums.get(entry.path, (0, 0)) if is_folder else (entry.size, 0)
        yield TreeLine(depth, is_last, image_file(found), size, files)
        if is_folder and not 0 < levels <= depth:
            todo += reversed(_inside(merged, entry.path, depth + 1, folders_only=folders_only))


def _inside(
    merged: Merged, folder: bytes, depth: int, *, folders_only: bool
) -> list[tuple[int, bool, Found]]:
    inside = [each for each in merged.children(folder) if not folders_only or each.entry.kind is Kind.DIR]
    return [(depth, each is inside[-1], each) for each in inside]


def _sums(merged: Merged, top: bytes, levels: int) -> dict[bytes, tuple[int, int]]:
    """Bytes and things below each folder that will be shown: one pass over all that is there."""
    sums: dict[bytes, list[int]] = {}
    depth_of_top = top.count(b"/") + 1 if top else 0
    for found in merged.walk(top):
        path = found.entry.path
        while path != top:
            path = parent_of(path)
            if levels and (path.count(b"/") + 1 if path else 0) - depth_of_top > levels:
                continue
            known = sums.setdefault(path, [0, 0])
            known[0] += found.entry.size
            known[1] += 1
    return {path: (size, files) for path, (size, files) in sums.items()}
