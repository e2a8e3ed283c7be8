"""What COPY takes of a folder: the patterns of --parents and of --exclude, as .dockerignore reads its own.

A pattern that matches a folder holds for all below it. A folder that is not taken itself is there all the
same where something in it is: it is implied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.dockerfile.ignore import IgnoreFile
from lamina.dockerfile.match import BadPattern
from lamina.tree.entry import Entry, Kind
from lamina.tree.tree import ancestors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.build.source import Source


class Sifted(NamedTuple):
    """What was taken, parents first, with the paths that it has in the source. The sets are relative."""

    entries: Sequence[Entry]
    implied: frozenset[bytes]
    named: frozenset[bytes]


class Wanted:
    """The pattern of a COPY --parents, below its pivot. BadPattern when it is malformed."""

    def __init__(self, pattern: str) -> None:
        parts = pattern.split("/")
        deep = next((number for number, part in enumerate(parts) if "**" in part), None)
        self._all = IgnoreFile.of([pattern], negates=False)
        self._is_deep = deep is not None
        self._above = _beginnings(parts[: len(parts) - 1 if deep is None else deep])

    def matches(self, path: str, is_folder: bool) -> bool:
        """Whether `path`, or a folder that it is in, is wanted."""
        return self._all.matches(path, is_folder)

    def may_contain(self, folder: str) -> bool:
        """Whether something below `folder`, which is not wanted itself, may be."""
        if self._above is None:
            return True
        depth = folder.count("/")
        return self._above[depth].matches(folder) if depth < len(self._above) else self._is_deep


def _beginnings(parts: list[str]) -> list[IgnoreFile] | None:
    """The first part, the first two, and so on; None where a part makes no sense alone (`[/]`)."""
    try:
        return [IgnoreFile.of(["/".join(parts[:end])], negates=False) for end in range(1, len(parts) + 1)]
    except BadPattern:
        return None


def sift(source: Source, root: bytes, wanted: Wanted | None, exclude: IgnoreFile | None) -> Sifted:
    """All below the folder `root` that is wanted (None: all is) and not left out. No link is followed."""
    skip = len(root) + 1 if root else 0
    taken = _Taken()
    pending = [(entry, wanted is None) for entry in reversed(source.children(root))]
    while pending:
        entry, inside = pending.pop()
        path = entry.path[skip:]
        text = path.decode(errors="surrogateescape")
        is_folder = entry.kind is Kind.DIR
        matched = inside or wanted is None or wanted.matches(text, is_folder)
        left_out = exclude is not None and exclude.matches(text, is_folder)
        if matched and not left_out:
            taken.take(path, entry, is_named=not inside)
        if not is_folder:
            continue
        taken.folders[path] = entry
        may_hold = matched or wanted is None or wanted.may_contain(text)
        if may_hold and not (left_out and exclude is not None and not exclude.may_contain(text)):
            pending += [(child, matched) for child in reversed(source.children(entry.path))]
    return Sifted(taken.entries, frozenset(taken.implied), frozenset(taken.named))


class _Taken:
    """What was taken so far, and the folders that were seen on the way."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.folders: dict[bytes, Entry] = {}
        self.implied: set[bytes] = set()
        self.named: set[bytes] = set()
        self._made: set[bytes] = set()

    def take(self, path: bytes, entry: Entry, is_named: bool) -> None:
        for above in reversed(ancestors(path)):
            if above not in self._made:
                self._made.add(above)
                self.implied.add(above)
                self.entries.append(self.folders[above])
        if entry.kind is Kind.DIR:
            self._made.add(path)
        if is_named:
            self.named.add(path)
        self.entries.append(entry)
