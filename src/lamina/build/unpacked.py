"""A build context that came as an archive: unpacked below a temporary name, its owners kept beside it.

Who owns a file counts, as it does in BuildKit, and not every user can own files for others: so owners, modes
and times are those of the archive, whatever the disk could take.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamina.archive.compression import CHUNK, decompressed
from lamina.build.context import Context, Seen
from lamina.errors import InvalidInput, LaminaError
from lamina.events import Notice
from lamina.fs.create import Builder
from lamina.layers.received import Received
from lamina.tree.entry import Entry, Kind
from lamina.tree.tar.read import read_tar

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from lamina.dockerfile.ignore import IgnoreFile
    from lamina.events import Observer
    from lamina.tree.tar.content import Readable

_WHOLE = 1 << 20  # files up to so many bytes are read at once
_SECOND = 1_000_000_000


class Unpacked(NamedTuple):
    """What was in an archive, by path, and the newest time of its files in seconds."""

    entries: Mapping[bytes, Entry]
    newest: int


def unpack_context(stream: BinaryIO, folder: str, name: str, observer: Observer) -> Unpacked:
    """Unpacks a tar, plain or compressed, into `folder`, which is made; nothing of it gets anywhere else.

    `name` is for messages. InvalidInput for an archive that is broken, or wants to write outside; NoSpace.
    """
    try:
        plain, _ = decompressed(stream)
        with Builder(folder) as builder:
            received = Received(builder.put)
            for record in read_tar(plain, need_end=False):
                if record.entry.path.rpartition(b"/")[2].startswith(b".wh."):
                    path = record.entry.path.decode(errors="replace")
                    observer(Notice(f"[Warning] {path} of {name} is left out: no layer can hold such a name"))
                    continue
                received.add(record.entry, partial(_put_file, builder, record.content))
            builder.finish()
        while plain.read(CHUNK):
            pass  # the check sum of a compressed archive stands at its end
    except InvalidInput as error:
        raise InvalidInput(f"cannot unpack {name}: {error.message}", hint=error.hint) from None
    except LaminaError:
        raise
    entries = {entry.path: entry for entry in received.entries()}
    newest = max((each.mtime for each in entries.values() if each.kind is Kind.FILE), default=0)
    return Unpacked(entries, newest // _SECOND)


def _put_file(builder: Builder, content: Readable, entry: Entry) -> str:
    if entry.size <= _WHOLE:
        return builder.put(entry, content.read())
    return builder.put(entry, iter(lambda: content.read(_WHOLE), b""))


class UnpackedContext(Context):
    """The Source over an archive that was unpacked in a folder."""

    def __init__(self, root: str, ignore: IgnoreFile | None, entries: Mapping[bytes, Entry]) -> None:
        super().__init__(root, ignore, {})
        self._entries = entries

    def ignoring(self, ignore: IgnoreFile | None) -> Context:
        """The same, less what `ignore` leaves out."""
        return UnpackedContext(self._beneath.root, ignore, self._entries)

    def _look(self, folder: bytes, name: bytes, path: bytes, found: os.stat_result) -> Seen | None:
        seen = super()._look(folder, name, path, found)
        said = self._entries.get(path)
        if seen is None or said is None:
            return seen
        return Seen(
            seen.entry._replace(
                mode=said.mode,
                uid=said.uid,
                gid=said.gid,
                mtime=said.mtime,
                xattrs=said.xattrs,
                digest=said.digest if seen.entry.kind is Kind.FILE else "",
            ),
            seen.stat,
        )
