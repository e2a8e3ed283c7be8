"""What the sources of a COPY match: names, folders and wildcards, as BuildKit reads them.

A source's own links are followed, inside its root; those below a folder are copied as links. A
wildcard matches part by part, `*` never a `/`; a folder that it matches counts with its contents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.build.source import Source, walk
from lamina.dockerfile import has_wildcard, match
from lamina.errors import NotFound
from lamina.graph.ingredients import Picked
from lamina.tree.entry import Entry, Kind
from lamina.tree.tree import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def select(source: Source, pattern: str) -> tuple[Picked, ...]:
    """What one source of a COPY stands for. NotFound when a name without wildcards is not there.

    Wildcards that match nothing give (). `pattern` is relative and has no `..`.
    """
    return tuple(_pick(source, path) for path in _matches(source, pattern))


def _pick(source: Source, path: bytes) -> Picked:
    """The file or folder that `path` leads to, with everything below it."""
    found_at = resolve(path, source.get)
    entry = source.get(found_at)
    if entry is None:
        raise NotFound(path.decode(errors="replace"))
    below = walk(source, found_at) if entry.kind is Kind.DIR else ()
    skip = len(found_at) + 1 if found_at else 0
    entries = [_complete(source, entry, b"")]
    entries += [_complete(source, item, item.path[skip:]) for item in below]
    return Picked(path.rpartition(b"/")[2], found_at, entries)


def _complete(source: Source, entry: Entry, path: bytes) -> Entry:
    """The entry under another path, with the digest of its content."""
    if entry.digest or entry.kind not in (Kind.FILE, Kind.HARDLINK):
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
