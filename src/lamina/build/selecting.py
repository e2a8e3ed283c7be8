"""What the sources of a COPY match: names, folders and wildcards, as BuildKit reads them.

A source's own links are followed, inside its root; those below a folder are copied as links. A
wildcard matches part by part, `*` never a `/`; a folder that it matches counts with its contents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.build.source import Source, walk
from lamina.dockerfile import has_wildcard, match
from lamina.errors import InvalidInput, NotFound
from lamina.graph.ingredients import Picked
from lamina.tree.entry import FILES, Entry, Kind
from lamina.tree.tree import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lamina.build.sieve import Wanted
    from lamina.dockerfile import IgnoreFile


def select(source: Source, pattern: str, exclude: IgnoreFile | None = None) -> tuple[Picked, ...]:
    """What one source of a COPY stands for. NotFound when a name without wildcards is not there.

    Wildcards that match nothing give (). `pattern` is relative and has no `..`. `exclude` reads paths below
    a folder that is copied; a file, or a folder that a wildcard matched, it knows by name and by path.
    """
    is_wild = has_wildcard(pattern)
    picked: list[Picked] = []
    for path in _matches(source, pattern):
        if exclude is None or not _names(exclude, path):
            picked.append(pick(source, path, exclude))
        elif (folder := _excluded(source, path, exclude, is_wild)) is not None:
            picked.append(folder)
    return tuple(picked)


def _excluded(source: Source, path: bytes, exclude: IgnoreFile, is_wild: bool) -> Picked | None:
    """What is left of a match that is excluded itself: a folder stays, with its contents if it was named."""
    found_at = resolve(path, source.get)
    entry = source.get(found_at)
    if entry is None and not is_wild:
        raise NotFound(path.decode(errors="replace"))
    if entry is None or entry.kind is not Kind.DIR:
        return None
    return _folder(source, b"", found_at, ()) if is_wild else pick(source, path, exclude)


def select_parents(source: Source, pattern: str, exclude: IgnoreFile | None = None) -> tuple[Picked, ...]:
    """The same for COPY --parents: `pattern` is FOLDER/./PATH, and PATH is kept with its folders.

    `**` in PATH crosses folders; links in it are neither followed nor replaced. What a PATH without wildcards
    names must be there: NotFound. Wildcards that match nothing give folders with nothing in them.
    """
    from lamina.build.sieve import Wanted  # compiles patterns that few builds need

    folder, _, kept = pattern.partition("/./")
    wanted = Wanted(kept) if kept else None
    roots = [resolve(path, source.get) for path in _matches(source, folder)]
    is_wild = has_wildcard(folder)
    if not is_wild and not has_wildcard(kept):
        _check_there(source, roots[0], kept)
    found = [_pick_below(source, root, wanted, exclude) for root in roots]
    if not is_wild and found == [None]:
        raise NotFound(folder) if source.get(roots[0]) is None else InvalidInput(f"/{folder} is not a folder")
    return tuple([picked for picked in found if picked is not None])


def _check_there(source: Source, root: bytes, kept: str) -> None:
    """NotFound, or InvalidInput for what can only be reached through a link."""
    path = root + b"/" * bool(root and kept) + _encode(kept)
    if source.get(path) is not None:
        return
    shown = path.decode(errors="replace")
    if source.get(resolve(path, source.get)) is not None:
        raise InvalidInput(
            f"/{shown} leads through a link, and --parents follows none",
            hint="name the folder that the link leads to, or put `/./` after the link",
        )
    raise NotFound(path.decode(errors="surrogateescape"))


def _pick_below(
    source: Source, root: bytes, wanted: Wanted | None, exclude: IgnoreFile | None
) -> Picked | None:
    """What is wanted of a folder; None when it is no folder."""
    from lamina.build.sieve import sift

    entry = source.get(root)
    if entry is None or entry.kind is not Kind.DIR:
        return None
    below = sift(source, root, wanted, exclude)
    return _folder(source, b"", root, below.entries)._replace(implied=below.implied, named=below.named)


def pick(source: Source, path: bytes, exclude: IgnoreFile | None = None) -> Picked:
    """The file or folder that `path` leads to, with everything below it that is not excluded."""
    found_at = resolve(path, source.get)
    entry = source.get(found_at)
    if entry is None:
        raise NotFound(path.decode(errors="replace"))
    name = path.rpartition(b"/")[2]
    if entry.kind is not Kind.DIR:
        return Picked(name, found_at, [_complete(source, entry, b"")])
    if exclude is None:
        return _folder(source, name, found_at, walk(source, found_at))
    from lamina.build.sieve import sift  # not for most builds

    below = sift(source, found_at, None, exclude)
    return _folder(source, name, found_at, below.entries)._replace(implied=below.implied)


def _folder(source: Source, name: bytes, root: bytes, below: Iterable[Entry]) -> Picked:
    """A folder, and what is taken of its contents."""
    entry = source.get(root)
    assert entry is not None
    skip = len(root) + 1 if root else 0
    entries = [_complete(source, entry, b"")]
    entries += [_complete(source, item, item.path[skip:]) for item in below]
    return Picked(name, root, entries)


def _names(exclude: IgnoreFile, path: bytes) -> bool:
    """Whether a match itself is excluded, by its name or its path."""
    texts = {text.decode(errors="surrogateescape") for text in (path, path.rpartition(b"/")[2]) if text}
    return any(exclude.matches(text) for text in texts)


def _complete(source: Source, entry: Entry, path: bytes) -> Entry:
    """The entry under another path, with the digest of its content."""
    if entry.digest or entry.kind not in FILES:
        return entry._replace(path=path)
    return entry._replace(path=path, digest=source.digest(entry))


def _matches(source: Source, pattern: str) -> Iterator[bytes]:
    parts = [part for part in pattern.split("/") if part]
    wild = next((i for i, part in enumerate(parts) if has_wildcard(part)), None)
    if wild is None:
        yield _encode("/".join(parts))
        return
    folder = resolve(_encode("/".join(parts[:wild])), source.get)
    entry = source.get(folder)
    if entry is not None and entry.kind is Kind.DIR:
        yield from _below(source, folder, parts[wild:])


def _below(source: Source, folder: bytes, parts: Sequence[str]) -> Iterator[bytes]:
    """The paths whose parts below `folder` match one by one."""
    for entry in source.children(folder):
        if not match(parts[0], entry.path.rpartition(b"/")[2].decode(errors="surrogateescape")):
            continue
        if len(parts) == 1:
            yield entry.path
        elif entry.kind is Kind.DIR:
            yield from _below(source, entry.path, parts[1:])


def _encode(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
