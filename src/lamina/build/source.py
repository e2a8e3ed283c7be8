"""What COPY and ADD read from: a tree of files looked up by path, whatever holds it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO, Protocol

from lamina.errors import InvalidInput
from lamina.tree.entry import Entry, Kind

_MOST_LINKS = 40  # as the kernel's own limit


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


def walk(source: Source, folder: bytes) -> Iterator[Entry]:
    """Everything below a folder, parents first; no link is followed."""
    pending = list(reversed(source.children(folder)))
    while pending:
        entry = pending.pop()
        yield entry
        if entry.kind is Kind.DIR:
            pending += reversed(source.children(entry.path))


def resolve(source: Source, path: bytes) -> bytes:
    """Follows the links in `path`, inside the source's root; what is missing stays as it is written."""
    done: list[bytes] = []
    todo = path.split(b"/")[::-1]
    links = 0
    while todo:
        part = todo.pop()
        if part in (b"", b"."):
            continue
        if part == b"..":
            del done[-1:]
            continue
        done.append(part)
        entry = source.get(b"/".join(done))
        if entry is None or entry.kind is not Kind.SYMLINK:
            continue
        links += 1
        if links > _MOST_LINKS:
            raise InvalidInput(f"too many symbolic links in {path.decode(errors='replace')!r}")
        done.pop()
        if entry.link.startswith(b"/"):
            done.clear()
        todo += entry.link.split(b"/")[::-1]
    return b"/".join(done)
