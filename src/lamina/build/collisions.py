"""Colliding names: two files that one COPY or ADD names itself must not become one.

What comes with a folder is not asked: folders are merged, and the later one wins, as the reference says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.build.source import Source
    from lamina.graph.ingredients import Picked
    from lamina.graph.ops import CopyOp


class Collision(InvalidInput):
    """Two sources have one destination; `source` is the number of the second, None for a here-document."""

    def __init__(self, message: str, source: int | None, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.source = source


class _Named(NamedTuple):
    """A file that was asked for, and where it lies in the source."""

    number: int
    name: bytes
    where: bytes
    entry: Entry


def check_collisions(op: CopyOp, source: Source, picked: tuple[tuple[Picked, ...], ...]) -> None:
    """Collision for two files of one name, unless they are equal, or ADD unpacks them."""
    seen: dict[bytes, _Named] = {}
    for file in _named(op, picked):
        first = seen.setdefault(file.name, file)
        if first.where == file.where or _content(first.entry) == _content(file.entry):
            continue
        if op.unpacks and (_is_archive(source, first) or _is_archive(source, file)):
            continue
        message = f"/{_show(first.where)} and /{_show(file.where)} would both become {_target(op, file.name)}"
        hint = "give each a COPY of its own" if op.parents else "--parents keeps the folders that they are in"
        raise Collision(message, file.number, hint)
    for document in op.documents:
        name = document.name.encode(errors="surrogateescape")
        if (other := seen.get(name)) is not None:
            message = f"/{_show(other.where)} and <<{document.name} would both become {_target(op, name)}"
            raise Collision(message, None, "give the here-document another name")


def check_documents(op: CopyOp) -> None:
    """The same among here-documents."""
    contents: dict[str, str] = {}
    for document in op.documents:
        if contents.setdefault(document.name, document.content) != document.content:
            message = f"two here-documents would both become {_target(op, document.name.encode())}"
            raise Collision(message, None, f"give one of them another name than {document.name}")


def _named(op: CopyOp, picked: tuple[tuple[Picked, ...], ...]) -> Iterator[_Named]:
    for number, matches in enumerate(picked):
        for found in matches:
            if op.parents:
                for entry in found.entries:
                    if entry.path in found.named and entry.kind is not Kind.DIR:
                        where = found.path + b"/" + entry.path if found.path else entry.path
                        yield _Named(number, entry.path, where, entry)
            elif not found.is_folder:
                yield _Named(number, found.name, found.path, found.entries[0])


def _content(entry: Entry) -> tuple[object, ...]:
    kind = Kind.FILE if entry.kind is Kind.HARDLINK else entry.kind
    link = entry.link if kind is Kind.SYMLINK else b""
    return kind, entry.mode, entry.digest, link, entry.rdev


def _is_archive(source: Source, file: _Named) -> bool:
    if file.entry.kind is not Kind.FILE or not file.entry.size:
        return False
    from lamina.build.unpacking import is_archive  # archives only matter here

    return is_archive(lambda: source.open(file.entry._replace(path=file.where)))


def _target(op: CopyOp, name: bytes) -> str:
    return f"{op.dest.rstrip('/')}/{_show(name)}"


def _show(path: bytes) -> str:
    return path.decode(errors="replace")
