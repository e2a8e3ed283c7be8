"""Reading an archive of cache mounts back: all of them, or none. The archive may be anybody's."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamina.archive.compression import CHUNK, decompressed
from lamina.cachemounts import info, objects
from lamina.cachemounts.archive import FORMAT, HEAD, SUMS
from lamina.cachemounts.wanted import CacheWanted
from lamina.db import cachemounts as rows
from lamina.errors import Corrupt, InvalidInput
from lamina.fs.create import Builder
from lamina.fs.failures import shown
from lamina.layers.received import Received
from lamina.store.files import remove_tree
from lamina.store.lock import let_go
from lamina.tree.content import content_id
from lamina.tree.entry import Entry, Kind
from lamina.tree.tar.read import read_tar

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from lamina.db.cachemounts import CacheMount
    from lamina.layers.context import Layers
    from lamina.tree.tar.content import Readable
    from lamina.tree.tar.read import Record

_MOST = 1 << 24  # bytes of a document in the archive
_WHOLE = 1 << 20  # files up to so many bytes are read at once


class _Filled(NamedTuple):
    """A folder that has its files, and what it is to become."""

    temp: str
    wanted: CacheWanted


def restore(ctx: Layers, stream: BinaryIO, mount_id: str = "") -> list[CacheMount]:
    """Takes the cache mounts of an archive (plain or compressed) into the store; their rows.

    They take the place of those with the same key. `mount_id` is the new id of the one in the archive; a
    plain tar of a folder needs it. InvalidInput, Corrupt, NoSpace, Denied; then the store is as before.
    """
    source, _ = decompressed(stream)
    records = read_tar(source)
    with ExitStack() as stack:
        filled = _fill(ctx, records, mount_id, stack)
        while source.read(CHUNK):  # to the end, so that a damaged compressed stream is found out
            pass
        return _place(ctx, filled)


def _fill(ctx: Layers, records: Iterator[Record], mount_id: str, stack: ExitStack) -> list[_Filled]:
    first = next(records, None)
    if first is None:
        raise InvalidInput("the archive is empty")
    if first.name == HEAD:
        described = _described(first.content, mount_id)
        filled = [_Filled(_temp(ctx, stack), wanted) for wanted in described]
        _fill_all(records, [one.temp + "/data" for one in filled])
        return filled
    if not mount_id:
        raise InvalidInput(
            "the archive does not say what it is a cache mount of",
            hint="for a tar of a folder give the name: `lamina cache import --id NAME`",
        )
    one = _Filled(_temp(ctx, stack), CacheWanted(mount_id, created_by="lamina cache import"))
    with _Tree(one.temp + "/data", b"") as tree:
        for record in chain([first], records):
            tree.add(record)
        tree.finish()
    return [one]


def _temp(ctx: Layers, stack: ExitStack) -> str:
    temp = objects.new_temp(ctx)
    stack.callback(_remove, temp)
    return temp


def _remove(temp: str) -> None:
    if os.path.lexists(temp):
        remove_tree(temp)


def _described(content: Readable, mount_id: str) -> list[CacheWanted]:
    """What the archive says of its mounts. InvalidInput."""
    try:
        said = json.loads(_read(content))
        if said["format"] != FORMAT:
            raise InvalidInput(f"the archive has format {said['format']}, and this Lamina reads {FORMAT}")
        found = [info.wanted_of(each) for each in said["mounts"]]
        if not found or [each["folder"] for each in said["mounts"]] != [str(n) for n in range(len(found))]:
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InvalidInput(f"the archive's {shown(HEAD)} makes no sense") from None
    if mount_id:
        if len(found) > 1:
            raise InvalidInput(f"the archive has {len(found)} cache mounts, so --id cannot name them")
        found = [found[0]._replace(id=mount_id)]
    return found


def _read(content: Readable) -> bytes:
    data = b""
    while chunk := content.read(_WHOLE):
        data += chunk
        if len(data) > _MOST:
            raise ValueError
    return data


def _fill_all(records: Iterator[Record], folders: list[str]) -> None:
    """Fills each folder with what lies below its number; the sums come last. InvalidInput, Corrupt."""
    sums: dict[str, str] = {}
    record = next(records, None)
    for number, folder in enumerate(folders):
        prefix = b"%d" % number
        with _Tree(folder, prefix) as tree:
            while record is not None and record.entry.path.partition(b"/")[0] == prefix:
                tree.add(record)
                record = next(records, None)
            sums[str(number)] = tree.finish()
    if record is None or record.name != SUMS:
        what = "it ends too early" if record is None else f"{shown(record.name)} is out of place"
        raise Corrupt(f"the archive is not complete: {what}")
    try:
        right = json.loads(_read(record.content)) == sums
    except (ValueError, RecursionError):
        right = False
    if not right or next(records, None) is not None:
        raise Corrupt("the archive's files are not those that were exported")


class _Tree:
    """One folder while it is filled from the records below `prefix`."""

    def __init__(self, folder: str, prefix: bytes) -> None:
        self._prefix = prefix
        self._builder = Builder(folder)
        self._received = Received(self._builder.put, literal=True)

    def add(self, record: Record) -> None:
        """Makes one entry. InvalidInput for what leads out of the folder, and for devices."""
        entry = record.entry
        if record.name.startswith(b"/"):
            raise InvalidInput(
                f"the archive has an absolute path: {shown(record.name)}",
                hint="pack it relative to its root, for example with tar -C FOLDER .",
            )
        if entry.kind in (Kind.CHAR, Kind.BLOCK):
            raise InvalidInput(f"{shown(record.name)}: a cache mount cannot have devices")
        entry = entry._replace(path=self._below(entry.path))
        if entry.kind is Kind.HARDLINK:
            entry = entry._replace(link=self._below(entry.link))
        self._received.add(entry, lambda file: self._put(file, record.content))

    def finish(self) -> str:
        """Ends it; the content ID of what was made."""
        self._builder.finish()
        return content_id(self._received.entries(), in_order=True)

    def _below(self, path: bytes) -> bytes:
        if not self._prefix:
            return path
        first, _, rest = path.partition(b"/")
        if first != self._prefix:
            raise InvalidInput(f"{shown(path)}: it lies in another cache mount than its link")
        return rest

    def _put(self, entry: Entry, content: Readable) -> str:
        if entry.size <= _WHOLE:
            return self._builder.put(entry, content.read())
        return self._builder.put(entry, iter(lambda: content.read(_WHOLE), b""))

    def __enter__(self) -> _Tree:
        return self

    def __exit__(self, *_: object) -> None:
        self._builder.close()


def _place(ctx: Layers, filled: list[_Filled]) -> list[CacheMount]:
    """Gives all of them their names and rows at once, in place of those with the same keys."""
    made = [objects.new_row(one.wanted) for one in filled]
    for one, row in zip(filled, made, strict=True):
        info.write(one.temp + "/info.json", row)
    with ExitStack() as stack:
        keys = sorted({row.key for row in made})
        for key in keys:
            stack.enter_context(objects.key_lock(ctx, key))
        with ctx.db.write() as tx:
            replaced = [temp for key in keys for temp in _clear(tx, ctx, key, stack)]
            for one, row in zip(filled, made, strict=True):
                objects.place(tx, ctx, one.temp, row)
    for temp in replaced:
        objects.destroy(temp)
    return made


def _clear(tx: sqlite3.Connection, ctx: Layers, key: str, stack: ExitStack) -> Iterator[str]:
    """Takes away what has this key; what is in use stays with who uses it."""
    for row in rows.with_key(tx, key):
        descriptor = objects.lock(ctx, row.name)
        if descriptor is None and objects.is_there(ctx, row.name):
            rows.detach(tx, row.name)
            continue
        if descriptor is not None:
            stack.callback(let_go, descriptor)
        temp = objects.take(tx, ctx, row.name)
        if temp is not None:
            yield temp
