"""Tree: an immutable set of entries by path, and how paths are resolved in one.

A Tree is either what a process sees (merged) or one layer, with its whiteouts in it. In both a
HARDLINK carries the metadata of the FILE that its `link` names.
"""

from __future__ import annotations

from bisect import bisect_left
from operator import itemgetter
from typing import TYPE_CHECKING

from lamina.errors import InvalidInput
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MAX_LINKS = 40  # symlinks followed while one path is resolved, as in Linux


class Tree:
    """Entries sorted by the bytes of their paths; of two with one path the later one counts."""

    __slots__ = ("_by_path", "_paths")

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._by_path = {entry.path: entry for entry in sorted(entries, key=itemgetter(0))}
        self._paths: list[bytes] | None = None  # made when a folder is listed first

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._by_path.values())

    def __len__(self) -> int:
        return len(self._by_path)

    def __contains__(self, path: object) -> bool:
        return path in self._by_path

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tree):
            return NotImplemented
        return self._by_path == other._by_path

    def __hash__(self) -> int:
        return hash(tuple(self._by_path.values()))

    def __repr__(self) -> str:
        return f"Tree({list(self._by_path.values())!r})"

    def get(self, path: bytes) -> Entry | None:
        """The entry at `path`, None when there is none."""
        return self._by_path.get(path)

    def children(self, path: bytes) -> tuple[Entry, ...]:
        """The entries directly in the folder at `path`, sorted by name. b"" is the root."""
        paths = self._sorted_paths()
        prefix = path + b"/" if path else b""
        at, end = self._span(prefix)
        found: list[bytes] = []
        while at < end:
            name, slash, _ = paths[at][len(prefix) :].partition(b"/")
            child = prefix + name
            if slash:  # the content of a child: go to where it ends, 0 being the byte after /
                at = bisect_left(paths, child + b"0", at, end)
            else:
                if child:  # the root is not in itself
                    found.append(child)
                at += 1
        return tuple([self._by_path[child] for child in found])

    def below(self, path: bytes) -> Iterator[Entry]:
        """Every entry inside the folder at `path`, at any depth, sorted; not the folder itself."""
        paths = self._sorted_paths()
        at, end = self._span(path + b"/" if path else b"")
        return (self._by_path[item] for item in paths[at:end] if item)

    def _sorted_paths(self) -> list[bytes]:
        if self._paths is None:
            self._paths = list(self._by_path)
        return self._paths

    def _span(self, prefix: bytes) -> tuple[int, int]:
        paths = self._sorted_paths()
        if not prefix:
            return 0, len(paths)
        return bisect_left(paths, prefix), bisect_left(paths, prefix[:-1] + b"0")


def parent_of(path: bytes) -> bytes:
    """The folder that `path` lies in; that of the root is the root."""
    return path.rpartition(b"/")[0]


def ancestors(path: bytes) -> list[bytes]:
    """The folders above `path`, nearest first, without the root."""
    found = []
    while path := path.rpartition(b"/")[0]:
        found.append(path)
    return found


def resolve(
    path: bytes, get: Callable[[bytes], Entry | None], follow_last: bool = True, *, max_links: int = MAX_LINKS
) -> bytes:
    """Where `path` leads inside a tree whose entries `get` looks up: a path without links, dots or slashes.

    As a process whose root is the tree would see it: absolute links start at the root, `..` cannot
    leave. What does not exist is taken as written, so the result need not exist. With `follow_last`
    off the last component stays although it is a link (`lstat`), unless a `/` follows it.
    InvalidInput for a loop of links (more than `max_links`) and for a file used as a folder.
    """
    if not follow_last and path.endswith((b"/", b"/.", b"/..")):
        follow_last = True
    todo = path.split(b"/")[::-1]
    at, links = b"", 0
    while todo:
        part = todo.pop()
        if part in (b"", b"."):
            continue
        if part == b"..":
            at = parent_of(at)
            continue
        here = at + b"/" + part if at else part
        entry = get(here)
        if entry is not None and entry.kind is Kind.SYMLINK and (follow_last or _is_more(todo)):
            links += 1
            if links > max_links:
                raise InvalidInput(f"{_shown(path)}: too many levels of symbolic links")
            if entry.link.startswith(b"/"):
                at = b""
            todo += entry.link.split(b"/")[::-1]
            continue
        if entry is not None and entry.kind not in (Kind.DIR, Kind.SYMLINK, Kind.WHITEOUT) and todo:
            raise InvalidInput(f"{_shown(path)}: not a directory: {_shown(here)}")
        at = here
    return at


def _is_more(todo: list[bytes]) -> bool:
    return any(part not in (b"", b".") for part in todo)


def _shown(path: bytes) -> str:
    return "/" + path[:300].decode("utf-8", "backslashreplace").lstrip("/")
