"""write_layer: entries and where their content comes from, straight into a layer, in one pass.

Each file is read once: what is read goes to the disk, into the file's own hash and into that of the layer's
canonical tar, which never exists.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamina.errors import InvalidInput
from lamina.fs.create import Builder
from lamina.layers.canonical import Canonical, default_root, hard_links_last, plain
from lamina.layers.commit import TempFolder, commit_diff, commit_empty
from lamina.tree.entry import Entry, Kind
from lamina.tree.tree import parent_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lamina.db.layerdb import Diff
    from lamina.layers.commit import Also
    from lamina.layers.context import Layers
    from lamina.layers.lookup import Lookup

_WHOLE = 1 << 20  # files up to so many bytes are read at once


class LayerItem(NamedTuple):
    """One entry of a layer to be, and its content.

    `source` is the bytes of a FILE, or a function that opens it; None for all other kinds. The size of
    `entry` must be right; when it has a digest, the content must have it too. mtimes are cut to seconds.
    """

    entry: Entry
    source: Callable[[], BinaryIO] | bytes | None = None


def write_layer(
    ctx: Layers, items: Iterable[LayerItem], *, parent: Lookup | None = None, also: Also | None = None
) -> Diff:
    """Writes and commits a layer of `items` (any order; of two for one path, the last counts).

    Folders on the way that `items` does not have are added: as `parent` has them, or root's with mode 0755.
    Paths are canonical: links in them were resolved by the caller.
    InvalidInput when a source is not what its entry says (it changed meanwhile).
    """
    whole = ordered(items, parent)
    if not whole:
        return commit_empty(ctx, also=also)
    canonical = Canonical()
    with TempFolder(ctx) as temp:
        with Builder(temp) as builder:
            entries = _build(builder, canonical, whole)
            builder.finish()
        return commit_diff(ctx, temp, entries, *canonical.finish(), also=also)


def _build(builder: Builder, canonical: Canonical, items: list[LayerItem]) -> list[Entry]:
    """Makes all items; returns their entries with digests."""
    made: dict[bytes, Entry] = {}
    for entry, source in items:
        if entry.kind is Kind.HARDLINK:
            entry = made[entry.link]._replace(path=entry.path, kind=Kind.HARDLINK, link=entry.link)
        canonical.add(entry)
        if entry.kind is Kind.FILE:
            entry = put_file(builder, canonical, entry, source)
        else:
            builder.put(entry)
        made[entry.path] = entry
    return list(made.values())


def put_file(
    builder: Builder, canonical: Canonical, entry: Entry, source: Callable[[], BinaryIO] | bytes | None
) -> Entry:
    """Writes a FILE into the folder and the tar of a layer; returns it with its digest. InvalidInput."""
    if source is None or isinstance(source, bytes):
        data = source or b""
        digest = builder.put(entry, data)
        canonical.data(data)
    else:
        with source() as stream:
            if entry.size <= _WHOLE:
                data = _read_whole(stream, entry.size + 1)
                digest = builder.put(entry, data)
                canonical.data(data)
            else:
                digest = builder.put(entry, _teed(stream, canonical, entry))
    if entry.digest and entry.digest != digest:
        raise _changed(entry)
    return entry._replace(digest=digest)


def _read_whole(stream: BinaryIO, size: int) -> bytes:
    """Up to `size` bytes; an unbuffered stream may give less at a time."""
    data = stream.read(size)
    while len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return data


def _teed(stream: BinaryIO, canonical: Canonical, entry: Entry) -> Iterator[bytes]:
    """The content in pieces, each given to the tar as well. InvalidInput for a file that grew meanwhile."""
    left = entry.size
    while chunk := stream.read(_WHOLE):
        left -= len(chunk)
        if left < 0:
            raise _changed(entry)
        canonical.data(chunk)
        yield chunk


def _changed(entry: Entry) -> InvalidInput:
    path = entry.path.decode("utf-8", "backslashreplace")
    return InvalidInput(f"{path} changed while it was read", hint="do not write to what is being copied")


def ordered(items: Iterable[LayerItem], parent: Lookup | None) -> list[LayerItem]:
    """The items in their canonical form and order, with the folders on the way."""
    by_path = {item.entry.path: LayerItem(plain(item.entry), item.source) for item in items}
    for path in list(by_path):
        while path:
            path = parent_of(path)
            if path in by_path:
                break
            folder = _folder(path, parent)
            if folder is not None:
                by_path[path] = LayerItem(folder)
    return hard_links_last(sorted(by_path.values(), key=itemgetter(0)))


def _folder(path: bytes, parent: Lookup | None) -> Entry | None:
    """The entry for a folder on the way; None for a root of which there is nothing to say."""
    old = parent.get(path) if parent is not None else None
    if old is None or old.kind is not Kind.DIR:
        old = Entry(path, Kind.DIR)
    if not path and default_root(old):
        return None
    return plain(old._replace(opaque=False))
