"""What is in a build context, and what is not: the questions of `lamina context`. Nothing is kept."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.build.context import Context
from lamina.build.contexts import find_ignore, ignore_places
from lamina.dockerfile import clean
from lamina.errors import InvalidInput, NotFound
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    from lamina.dockerfile import IgnoreFile
    from lamina.tree.entry import Entry

_NAMES = {
    Kind.FILE: "file",
    Kind.DIR: "folder",
    Kind.SYMLINK: "link",
    Kind.FIFO: "fifo",
    Kind.CHAR: "device",
    Kind.BLOCK: "device",
}


class ContextEntry(NamedTuple):
    """One path of a context; `size` is in bytes, 0 for what is no file."""

    path: str
    kind: str  # file, folder, link, fifo, device
    size: int
    target: str = ""  # of a link


class ContextList(NamedTuple):
    """All of a context, sorted by path, each folder before what is in it."""

    root: str  # absolute, links resolved
    ignore: str  # the file with the patterns, "" where there is none
    entries: tuple[ContextEntry, ...]

    @property
    def size(self) -> int:
        """Bytes in all files."""
        return sum([entry.size for entry in self.entries])

    def count(self, folders: bool) -> int:
        """How many folders there are, or all else."""
        return sum([(entry.kind == "folder") is folders for entry in self.entries])


class Amount(NamedTuple):
    """So many files (all but folders), and the bytes in them."""

    files: int = 0
    size: int = 0


class Verdict(NamedTuple):
    """Whether a path is in the context, and the pattern that decides so.

    `pattern` is "" when no pattern says anything; `matched` is what it matches: the path, or a folder above
    it. `kind` is "" when there is nothing at the path. A folder that is left out `stays` when another pattern
    takes something in it back in. `inside` and `outside` are what of the path, and of all below it, is in the
    context, and what is left out.
    """

    path: str
    kind: str
    included: bool
    inside: Amount
    outside: Amount
    ignore: str = ""  # the file with the patterns, "" where there is none
    line: int = 0  # in it
    pattern: str = ""
    takes_back: bool = False
    matched: str = ""
    stays: bool = False


def list_context(folder: str, dockerfile: str | None = None) -> ContextList:
    """All that COPY would see of `folder`. NotFound, InvalidInput, Denied.

    `dockerfile` is the path of a Dockerfile that may have patterns of its own beside it.
    """
    root, found = _opened(folder, dockerfile)
    ignore = found[1] if found else None
    context = _Plain(root, ignore)
    try:
        entries = [_entry(entry) for entry in _walk(context)]
    finally:
        context.close()
    entries.sort()
    return ContextList(root, os.path.normpath(found[0]) if found else "", tuple(entries))


def explain_paths(folder: str, paths: list[str], dockerfile: str | None = None) -> list[Verdict]:
    """What decides over each of `paths`: relative to the context, or absolute and in it.

    NotFound, InvalidInput, Denied.
    """
    root, found = _opened(folder, dockerfile)
    name, ignore = (os.path.normpath(found[0]), found[1]) if found else ("", None)
    context, whole = _Plain(root, ignore), _Plain(root, None)
    try:
        return [_explain(context, whole, ignore, name, relative(path, folder, root)) for path in paths]
    finally:
        context.close()
        whole.close()


def relative(path: str, folder: str, root: str) -> str:
    """A path in the context as patterns see it: clean, without a slash at its ends. InvalidInput outside."""
    for place in (os.path.abspath(folder), root):
        if path == place or path.startswith(place.rstrip("/") + "/"):
            path = path[len(place) :]
            break
    cleaned = clean(path.lstrip("/") or ".")
    if cleaned == ".." or cleaned.startswith("../"):
        raise InvalidInput(f"{path} is not in the build context", hint=f"paths are relative to {root}")
    return "" if cleaned == "." else cleaned


def _opened(folder: str, dockerfile: str | None) -> tuple[str, tuple[str, IgnoreFile] | None]:
    if not os.path.isdir(folder):
        fault = "is not a folder" if os.path.lexists(folder) else "not found"
        raise NotFound(f"build context {folder!r} {fault}", hint="give a folder of this machine")
    if dockerfile is not None and not os.path.exists(dockerfile):
        raise NotFound(f"cannot read {dockerfile}: no such file")
    places = ignore_places(folder, dockerfile or os.path.join(folder, "Dockerfile"))
    return os.path.realpath(folder), find_ignore(places)


class _Plain(Context):
    """A context of which only names, kinds and sizes are asked."""

    def __init__(self, root: str, ignore: IgnoreFile | None) -> None:
        super().__init__(root, ignore, {})

    def _xattrs(self, folder: bytes, name: bytes) -> tuple[tuple[bytes, bytes], ...]:
        return ()


def _walk(context: Context) -> list[Entry]:
    """All entries, in no order."""
    found: list[Entry] = []
    pending = [b""]
    while pending:
        children = context.children(pending.pop())
        found += children
        pending += [entry.path for entry in children if entry.kind is Kind.DIR]
    return found


def _entry(entry: Entry) -> ContextEntry:
    return ContextEntry(os.fsdecode(entry.path), _NAMES[entry.kind], entry.size, os.fsdecode(entry.link))


def _explain(context: Context, whole: Context, ignore: IgnoreFile | None, name: str, path: str) -> Verdict:
    encoded = os.fsencode(path)
    entry = whole.get(encoded)
    decides = ignore.deciding(path) if ignore is not None and path else None
    left_out = decides is not None and not decides.takes_back
    stays = left_out and context.get(encoded) is not None
    every, inside = _amount(whole, entry), _amount(context, context.get(encoded))
    verdict = Verdict(
        path or ".",
        _NAMES[entry.kind] if entry else "",
        entry is not None and (stays or not left_out),
        inside,
        Amount(every.files - inside.files, every.size - inside.size),
        ignore=name,
        stays=stays,
    )
    if decides is None:
        return verdict
    return verdict._replace(
        line=decides.line,
        pattern=decides.pattern,
        takes_back=decides.takes_back,
        matched=decides.path,
    )


def _amount(context: Context, entry: Entry | None) -> Amount:
    """What is at a path, and below it."""
    if entry is None:
        return Amount()
    if entry.kind is not Kind.DIR:
        return Amount(1, entry.size)
    files, size = 0, 0
    pending = [entry.path]
    while pending:
        for child in context.children(pending.pop()):
            if child.kind is Kind.DIR:
                pending.append(child.path)
            else:
                files, size = files + 1, size + child.size
    return Amount(files, size)
