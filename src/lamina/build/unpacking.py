"""ADD of an archive: a tar, plain or compressed, is unpacked into the destination instead of copied.

Names are resolved inside the destination as if it were the root of all: neither `..` nor a link, in
the archive or in the image, leads out of it. What would need that is an error.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any, BinaryIO

from lamina.archive.compression import beginning, decompressed
from lamina.errors import InvalidInput, LaminaError
from lamina.tree.entry import FILES, Entry, Kind
from lamina.tree.tar.decode import is_header
from lamina.tree.tar.header import BLOCK
from lamina.tree.tar.read import read_tar
from lamina.tree.tree import resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.build.placing import Placement
    from lamina.tree.tar.content import Readable
    from lamina.tree.tar.read import Record

_CHUNK = 1 << 20
_FOLDER = 0o755  # --chmod is not for archives
_NOBODY_SAID = (0, 0)  # whose folders are that the archive has things in, but not themselves


def is_archive(open_file: Callable[[], BinaryIO]) -> bool:
    """Whether a file begins as a tar with something in it does, behind any compression that we read.

    One that goes on badly is an archive all the same: to unpack it must fail, not to copy it succeed.
    """
    with open_file() as file:
        try:
            return is_header(beginning(file, BLOCK))
        except LaminaError:
            return False


def unpack(
    open_file: Callable[[], BinaryIO],
    placement: Placement,
    dest: str,
    spool: BinaryIO,
    name: str,
    *,
    keep_links: bool = False,
) -> None:
    """Unpacks an archive at `dest`, which is made when it is missing.

    With `keep_links` a folder of the archive does not replace a link to a folder: what is in it goes there.

    Content goes to `spool`, a temporary file that must stay open until the layer is written. `name` is
    for messages. InvalidInput for an archive that is broken, or wants to write outside of `dest`.
    """
    root = placement.resolve(dest)
    placement.make_folders(root, mode=_FOLDER)
    with open_file() as file:
        try:
            stream, _ = decompressed(file)
            for record in read_tar(stream):
                if not (keep_links and _is_linked(record.entry, placement, root)):
                    _take(record, placement, root, spool)
            while stream.read(_CHUNK):
                pass  # the check sum of a compressed archive stands at its end
        except LaminaError as error:
            raise InvalidInput(f"cannot unpack {name}: {error.message}", hint=error.hint) from None


def _is_linked(entry: Entry, placement: Placement, root: bytes) -> bool:
    """Whether a link to a folder stands where the archive has a folder."""
    if entry.kind is not Kind.DIR or not entry.path:
        return False

    def get(path: bytes) -> Entry | None:
        return placement.get(_below(root, path))

    found = get(resolve(entry.path, get, False))
    if found is None or found.kind is not Kind.SYMLINK:
        return False
    return placement.is_folder(_below(root, resolve(entry.path, get)))


def _take(record: Record, placement: Placement, root: bytes, spool: BinaryIO) -> None:
    entry = record.entry
    if not entry.path:
        return

    def get(path: bytes) -> Entry | None:
        return placement.get(_below(root, path))

    path = _below(root, resolve(entry.path, get, False))  # a link of this very name is replaced
    placement.make_folders(path.rpartition(b"/")[0], _NOBODY_SAID, _FOLDER)
    if entry.kind is Kind.HARDLINK:
        _take_link(entry, _below(root, resolve(entry.link, get, False)), path, placement)
    elif entry.kind is Kind.FILE:
        start = spool.seek(0, os.SEEK_END)
        size = _copy(record.content, spool)
        placement.put(entry._replace(path=path, size=size), _Piece.opener(spool, start, size))
    else:
        placement.put(entry._replace(path=path), None)


def _take_link(entry: Entry, target: bytes, path: bytes, placement: Placement) -> None:
    """A hard link names a file of the archive, which this layer then has; nothing else can be linked to."""
    found = placement.item(target)
    if found is None or found.entry.kind not in FILES:
        raise InvalidInput(
            f"hard link {entry.path.decode(errors='replace')!r} to what the archive does not have"
        )
    if target != path:
        origin = placement.item(found.entry.link) if found.entry.kind is Kind.HARDLINK else None
        first = found.entry.link if origin and origin.source is found.source else target
        said = found.entry._replace(mode=entry.mode, uid=entry.uid, gid=entry.gid)  # last: it holds for all
        placement.put(said._replace(path=first, kind=Kind.FILE, link=b""), found.source)
        placement.put(said._replace(path=path, kind=Kind.HARDLINK, link=first), found.source)


def _below(root: bytes, path: bytes) -> bytes:
    return root + b"/" + path if root and path else root or path


def _copy(content: Readable, spool: BinaryIO) -> int:
    size = 0
    while data := content.read(_CHUNK):
        spool.write(data)
        size += len(data)
    return size


class _Piece(io.RawIOBase):
    """Part of a file, read without moving its position, so that several can be open at once."""

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        self._descriptor = descriptor
        self._at = start
        self._end = start + size

    @classmethod
    def opener(cls, file: BinaryIO, start: int, size: int) -> Callable[[], BinaryIO]:
        """A function that opens the piece."""

        def open_piece() -> BinaryIO:
            file.flush()
            return io.BufferedReader(cls(file.fileno(), start, size))

        return open_piece

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        data: bytes = os.pread(self._descriptor, min(len(view), self._end - self._at), self._at)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
