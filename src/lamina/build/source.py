"""What COPY and ADD read from: a tree of files looked up by path, whatever holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol

from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence


class Source(Protocol):
    """A tree of files. Paths are relative bytes as in Entry; b"" is the root, which is always there."""

    def get(self, path: bytes) -> Entry | None:
        """The entry at `path`, no link in its last part followed; None where there is nothing."""

    def children(self, path: bytes) -> Sequence[Entry]:
        """What the folder at `path` holds, sorted by path."""

    def digest(self, entry: Entry) -> str:
        """SHA-256 of a FILE's content, in hex."""

    def open(self, entry: Entry) -> BinaryIO:
        """The content of a FILE."""

    def identity(self, entry: Entry) -> Hashable | None:
        """What two names of one FILE have in common; None when it has one name only."""


def walk(source: Source, folder: bytes) -> Iterator[Entry]:
    """Everything below a folder, parents first; no link is followed."""
    pending = list(reversed(source.children(folder)))
    while pending:
        entry = pending.pop()
        yield entry
        if entry.kind is Kind.DIR:
            pending += reversed(source.children(entry.path))
