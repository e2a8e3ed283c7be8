"""Writes archives: entries and contents in, blocks out to a sink."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import BinaryIO

from lamina.tree import whiteout
from lamina.tree.entry import Entry, Kind
from lamina.tree.tar.errors import TarError, shown
from lamina.tree.tar.header import END, encode, padding, tar_name

Sink = Callable[[bytes], object]
Opener = Callable[[], BinaryIO]
_FLUSH = 256 << 10  # bytes gathered before the sink is called: it hashes, and threads can then run
_READ = 1 << 20


class TarWriter:
    """Pushes one archive into `sink`: for each entry `add`, then `data` until its size is reached; `finish`.

    Entries are written in the order in which they are added, which for a layer of ours is that of
    their paths. `written` counts the bytes so far, those not yet given to the sink too. Times are cut to
    whole seconds, unless they are to be `exact`.
    """

    def __init__(self, sink: Sink, *, exact: bool = False) -> None:
        self._sink = sink
        self._exact = exact
        self._parts: list[bytes] = []
        self._gathered = 0
        self._left = 0  # content that the entry still needs
        self._entry: Entry | None = None
        self.written = 0

    def add(self, entry: Entry, name: bytes | None = None) -> None:
        """Begins the next entry, under its name in a layer or under `name`.

        A whiteout or an opaque folder becomes the entries that stand for it. TarError when the content
        of the entry before is not complete.
        """
        if self._left:
            self._short()
        self._entry = entry
        self._put(encode(entry, tar_name(entry) if name is None else name, exact=self._exact))
        if entry.kind is Kind.FILE:
            self._left = entry.size
        elif entry.opaque:
            marker = whiteout.opaque_name(entry.path)
            self._put(encode(whiteout.whiteout(marker), marker))

    def data(self, chunk: bytes) -> None:
        """The next bytes of the content. TarError when they are more than the entry's size."""
        if not chunk:
            return
        self._left -= len(chunk)
        if self._left < 0:
            raise TarError(f"{self._name()}: its content is longer than the {self._size()} bytes announced")
        self._put(chunk)
        if not self._left:
            self._put(bytes(padding(self._size())))

    def finish(self) -> None:
        """Ends the archive: two zero blocks, and everything is in the sink. TarError as in `add`."""
        if self._left:
            self._short()
        self._put(END)
        self._flush()

    def _put(self, data: bytes) -> None:
        self.written += len(data)
        self._gathered += len(data)
        self._parts.append(data)
        if self._gathered >= _FLUSH:
            self._flush()

    def _flush(self) -> None:
        if self._parts:
            self._sink(b"".join(self._parts))
            self._parts.clear()
            self._gathered = 0

    def _short(self) -> None:
        raise TarError(
            f"{self._name()}: its content ends {self._left} bytes before the {self._size()} announced"
        )

    def _name(self) -> str:
        return shown(self._entry.path) if self._entry else "no entry"

    def _size(self) -> int:
        return self._entry.size if self._entry else 0


def write_tar(items: Iterable[tuple[Entry, Opener | None]], sink: Sink) -> int:
    """Writes a whole archive: each entry with what opens its content, None where it has none.

    Returns its size in bytes. TarError when a content is not as long as its entry says.
    """
    writer = TarWriter(sink)
    for entry, opener in items:
        writer.add(entry)
        if opener is not None and entry.kind is Kind.FILE:
            with opener() as stream:
                while chunk := stream.read(_READ):
                    writer.data(chunk)
    writer.finish()
    return writer.written
