"""Reads archives, strictly: what two readers could understand differently is refused.

Written for layers and for ADD, where the archive is a stranger's. A header without extensions takes
a short way through here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.tree.entry import Entry, Kind
from lamina.tree.tar import sparse
from lamina.tree.tar.content import Content, Readable, SparseContent
from lamina.tree.tar.decode import Form, Header, decode, device
from lamina.tree.tar.errors import TarError, shown
from lamina.tree.tar.extensions import TYPES as EXTENSION_TYPES
from lamina.tree.tar.extensions import Extensions
from lamina.tree.tar.header import BLOCK, padding
from lamina.tree.tar.limits import DEFAULT, Limits
from lamina.tree.tar.names import clean
from lamina.tree.tar.pax import NOTHING, Pax
from lamina.tree.tar.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

_KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,  # "contiguous": a file like any other
    b"S": Kind.FILE,
    b"1": Kind.HARDLINK,
    b"2": Kind.SYMLINK,
    b"3": Kind.CHAR,
    b"4": Kind.BLOCK,
    b"5": Kind.DIR,
    b"6": Kind.FIFO,
}
_MAX_LINK = 4095  # what Linux can store as the target of a symlink
_ZERO = bytes(BLOCK)
_new = tuple.__new__


class Record(NamedTuple):
    """One entry of an archive; its content can be read until the next one is asked for."""

    entry: Entry  # path without leading / and ./; a HARDLINK has the fields of its own header and size 0
    name: bytes  # as in the archive
    content: Readable


def read_tar(stream: Readable, *, limits: Limits = DEFAULT, need_end: bool = True) -> Iterator[Record]:
    """The entries of an uncompressed archive, in its order, whiteouts by the names they have there.

    Content that nobody reads is skipped. Stops after the end marker and leaves what follows unread.
    With `need_end` off an archive may also just stop after an entry: for layers, whose digest tells
    whether they are whole. TarError (with the number of the entry) for everything that is wrong.
    """
    count = 1
    reader = _Reader(stream, limits, need_end)
    try:
        while record := reader.next():
            if count > limits.entries:
                raise TarError(f"more than {limits.entries} entries are not read")
            yield record
            count += 1
    except TarError as e:
        raise TarError(f"archive entry {count}: {e.message}", hint=e.hint) from None


class _Reader:
    """Where the reading of an archive stands between two entries."""

    __slots__ = ("_content", "_limits", "_need_end", "_padding", "_source", "_stream", "_total")

    def __init__(self, stream: Readable, limits: Limits, need_end: bool) -> None:
        self._stream = stream
        self._source = Source(stream)
        self._limits = limits
        self._need_end = need_end
        self._content = Content(stream, 0)  # of the entry last given out
        self._padding = 0
        self._total = 0

    def next(self) -> Record | None:
        """The next entry; None at the end of the archive."""
        skip = self._content.left + self._padding
        self._content.left = 0  # a late read of it must not take bytes of the next entry
        block = self._source.block_after(skip)
        if not block or block == _ZERO:
            self._end(block)
            return None
        header = decode(block)
        if header[6] not in EXTENSION_TYPES:  # [6] is the type, and quicker than its name
            return self._record(header, NOTHING)
        return self._extended(header)

    def _extended(self, header: Header) -> Record | None:
        """An entry with headers before it."""
        extensions = Extensions()
        while header.type in EXTENSION_TYPES:
            data = self._source.exactly(header.size, self._limits.header)
            extensions.add(header.type, data, self._limits)
            block = self._source.block_after(padding(header.size))
            if not block or block == _ZERO:
                if extensions.pending:
                    raise TarError("the archive ends between a header and its entry")
                self._content, self._padding = Content(self._stream, 0), 0
                self._end(block)
                return None
            header = decode(block)
        return self._record(*extensions.applied(header))

    def _end(self, block: bytes) -> None:
        """Checks the end marker: two zero blocks, or one and then nothing."""
        if not block and self._need_end:
            raise TarError("the archive is cut short: it has no end marker")
        if block and self._source.block_after(0) not in (b"", _ZERO):
            raise TarError("there is more after a single zero block")

    def _record(self, header: Header, said: Pax) -> Record:
        name, mode, uid, gid, size, mtime, type_, _, _, _ = header
        kind = _KINDS.get(type_)
        path = clean(name, self._limits)
        if kind is not Kind.FILE or name[-1:] == b"/" or not path:
            return self._no_file(header, said, path, kind)
        data = self._content = Content(self._stream, size)
        self._padding = -size % BLOCK
        content: Readable = data
        if type_ == b"S" or said.sparse or said.chunks:
            size, content = self._sparse(header, said, data)
        self._total += size
        if self._total > self._limits.total:
            raise TarError(f"{shown(name)}: contents of more than {self._limits.total} bytes are not read")
        fields = (path, kind, mode & 0o7777, uid, gid, size, mtime, b"", (0, 0), said.xattrs, "", False)
        return _new(Record, (_new(Entry, fields), name, content))

    def _sparse(self, header: Header, said: Pax, data: Content) -> tuple[int, SparseContent]:
        if header.type != b"S":
            return sparse.from_pax(said, data, self._limits.header)
        if header.form is not Form.GNU:
            raise TarError(f"{shown(header.name)}: a sparse file in a format that is not known")
        if said.sparse or said.chunks:
            raise TarError(f"{shown(header.name)}: a sparse file in two formats at once")
        return sparse.old_gnu(header.block, self._source, data, self._limits.header)

    def _no_file(self, header: Header, said: Pax, path: bytes, kind: Kind | None) -> Record:
        """Everything without content. A size stands only in hard links, where all readers ignore it."""
        name, mode, uid, gid, size, mtime, type_, _, _, _ = header
        if type_ == b"\0" and name[-1:] == b"/":
            kind = Kind.DIR  # before POSIX folders had no type
        if kind is None:
            raise TarError(f"{shown(name)}: entries of type {shown(type_)!r} are not supported")
        if kind is Kind.FILE or (kind is not Kind.DIR and not path):
            raise TarError(f"{shown(name)}: the name of a folder, but it is none")
        if (size and kind is not Kind.HARDLINK) or said.sparse or said.chunks:
            raise TarError(f"{shown(name)}: it has content, and its type cannot have any")
        self._content, self._padding = Content(self._stream, 0), 0
        rdev = device(header) if kind is Kind.CHAR or kind is Kind.BLOCK else (0, 0)
        link = self._link(header, path, kind)
        fields = (path, kind, mode & 0o7777, uid, gid, 0, mtime, link, rdev, said.xattrs, "", False)
        return Record(_new(Entry, fields), name, self._content)

    def _link(self, header: Header, path: bytes, kind: Kind) -> bytes:
        if kind is Kind.SYMLINK:
            if not 0 < len(header.link) <= _MAX_LINK:
                raise TarError(f"{shown(header.name)}: a symbolic link to a path of {len(header.link)} bytes")
            return header.link
        if kind is not Kind.HARDLINK:
            return b""
        link = clean(header.link, self._limits)
        if not link or link == path:
            raise TarError(f"{shown(header.name)}: a hard link to itself or to the root")
        return link
