"""Walk: a tar that comes in pieces cut anywhere, told apart into heads, content and padding."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from lamina.tree.tar import pax
from lamina.tree.tar.decode import decode
from lamina.tree.tar.errors import TarError
from lamina.tree.tar.extensions import TYPES as EXTENSION_TYPES
from lamina.tree.tar.extensions import Extensions
from lamina.tree.tar.header import BLOCK, padding
from lamina.tree.tar.limits import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.tree.tar.decode import Header

_ZERO = bytes(BLOCK)


class Head(NamedTuple):
    """All that comes before the content of an entry: the padding of the one before, and every header.

    `header` has what the extensions say in place of its own fields; `records` are those of its PAX header.
    """

    raw: bytes
    header: Header
    records: Sequence[tuple[bytes, bytes]]
    is_global: bool  # a header for all that follows is among them


class Visitor(Protocol):
    """Who is told what a tar is made of. All bytes of it are told, in their order."""

    def head(self, head: Head) -> int:
        """An entry begins. Returns how many bytes of content it has; -1 to be told no more but `rest`."""

    def content(self, data: bytes) -> None:
        """The next bytes of its content."""

    def end(self) -> None:
        """Its content is complete; called for every entry."""

    def rest(self, data: bytes) -> None:
        """Bytes after the last entry, or after one whose `head` was answered with -1."""


class Walk:
    """Feeds a visitor with a tar."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._raw = bytearray()  # of the next head, so far
        self._wanted = BLOCK  # how long _raw is to be before it is looked at again
        self._at = 0  # where the next header begins in it
        self._left = 0  # bytes of content that are still to come
        self._extensions = Extensions()
        self._records: list[tuple[bytes, bytes]] = []
        self._is_global = False
        self._over = False

    def feed(self, data: bytes) -> None:
        """The next bytes of the tar. TarError for what is none."""
        at, end = 0, len(data)
        while at < end:
            if self._over:
                self._visitor.rest(data[at:] if at else data)
                return
            if self._left:
                part = data[at : at + self._left] if at or end > self._left else data
                at += len(part)
                self._left -= len(part)
                self._visitor.content(part)
                if not self._left:
                    self._visitor.end()
                continue
            part = data[at : at + self._wanted - len(self._raw)]
            at += len(part)
            self._raw += part
            if len(self._raw) == self._wanted:
                self._look()

    def finish(self) -> None:
        """Nothing follows. TarError when an entry is incomplete."""
        if self._left or (not self._over and len(self._raw) > self._at) or self._extensions.pending:
            raise TarError("the archive is cut short")
        self._flush()

    def _look(self) -> None:
        """As much of the head is there as was wanted: the next header, or with it what belongs to it."""
        block = bytes(self._raw[self._at : self._at + BLOCK])
        if len(block) < BLOCK:
            self._wanted = self._at + BLOCK
            return
        if block == _ZERO:
            self._over = True
            self._flush()
            return
        header = decode(block)
        if header.type in EXTENSION_TYPES:
            self._extend(header)
        else:
            self._begin(header)

    def _extend(self, header: Header) -> None:
        if header.size > DEFAULT.header:
            raise TarError(f"a header of {header.size} bytes, at most {DEFAULT.header} are read")
        end = self._at + BLOCK + header.size
        if len(self._raw) < end:
            self._wanted = end
            return
        data = bytes(self._raw[self._at + BLOCK : end])
        self._extensions.add(header.type, data, DEFAULT)
        if header.type == b"x":
            self._records += pax.records(data)
        self._is_global |= header.type == b"g"
        self._at = end + padding(header.size)
        self._wanted = self._at + BLOCK

    def _begin(self, header: Header) -> None:
        if self._extensions.pending:
            header, _ = self._extensions.applied(header)
        head = Head(bytes(self._raw), header, self._records, self._is_global)
        self._raw.clear()
        self._extensions, self._records, self._is_global = Extensions(), [], False
        self._left = self._visitor.head(head)
        if self._left < 0:
            self._left, self._over = 0, True
            return
        self._at = padding(self._left)
        self._wanted = self._at + BLOCK
        if not self._left:
            self._visitor.end()

    def _flush(self) -> None:
        if self._raw:
            self._visitor.rest(bytes(self._raw))
            self._raw.clear()
