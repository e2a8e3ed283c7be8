"""View: the layers of one image, asked for files that many layers may have, and for who had them first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import cachedb
from lamina.db.filesearch import files_named
from lamina.errors import Corrupt, LaminaError
from lamina.insight.packages.package import BadDatabase
from lamina.layers.absent import Misdescribed
from lamina.layers.difffiles import open_in_diff
from lamina.layers.lookup import Lookup
from lamina.tree.entry import FILES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lamina.events import Observer
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID

_CHUNK = 1 << 20


class FoundFile(NamedTuple):
    """A file of the merged view: where it is, which layer has it, its size in bytes and its SHA-256."""

    path: bytes
    diff_id: DiffID
    size: int
    digest: str


class View:
    """The merged view of a stack of layers, and of each of its lower parts."""

    def __init__(self, ctx: Layers, chain: Sequence[DiffID], tell: Observer) -> None:
        """`chain` are diff IDs, top first."""
        self.top = Lookup(ctx, chain)
        self.chain = tuple(chain)
        self.tell = tell
        self._ctx = ctx

    def find(self, path: bytes, depth: int | None = None) -> FoundFile | None:
        """The file at `path`, links followed, in the lowest `depth` layers (all by default)."""
        lookup = self.top if depth is None else Lookup(self._ctx, self._lowest(depth))
        try:
            return self._file(lookup.chain, lookup.resolve(path))
        except LaminaError:  # links in a loop
            return None

    def states(self, path: bytes) -> Iterator[tuple[DiffID, FoundFile | None]]:
        """What `path` leads to after each layer that changed it, the bottom first."""
        before: FoundFile | None = None
        for depth in range(1, len(self.chain) + 1):
            found = self.find(path, depth)
            if found != before:
                yield self.chain[len(self.chain) - depth], found
                before = found

    def named(
        self, fits: Callable[[bytes], bool], names: Sequence[bytes], endings: Sequence[bytes] = ()
    ) -> list[FoundFile]:
        """The files with these names, or names that end so, whose path fits; `diff_id` is who had them first.

        A file that a later layer wrote again with the same content (a chown) is still the first one's.
        """
        layers: dict[bytes, list[DiffID]] = {}
        for diff_id, entry in files_named(self._ctx.db.read(), self.chain, names, endings):
            if entry.kind in FILES and fits(entry.path):
                layers.setdefault(entry.path, []).append(diff_id)
        found = [self._first(path, having) for path, having in sorted(layers.items())]
        return [each for each in found if each is not None]

    def first(self, path: bytes) -> FoundFile | None:
        """The file at `path`, no link followed; `diff_id` is who had it first with this content."""
        return self._first(path, self.chain)

    def read(self, file: FoundFile, limit: int) -> bytes:
        """The whole file. BadDatabase when it has more than `limit` bytes, or is not there."""
        if file.size > limit:
            raise BadDatabase(f"it has {file.size} bytes, the limit is {limit}")
        return self.head(file, file.size)

    def head(self, file: FoundFile, size: int) -> bytes:
        """The first `size` bytes of the file. BadDatabase when it is not there; else as layers.absent."""
        parts: list[bytes] = []
        try:
            with open_in_diff(self._ctx, file.diff_id, file.path) as stream:
                while size > 0 and (part := stream.read(min(size, _CHUNK))):
                    parts.append(part)
                    size -= len(part)
        except Misdescribed:
            raise
        except (Corrupt, OSError) as error:
            raise BadDatabase(str(error)) from None
        return b"".join(parts)

    def _lowest(self, depth: int) -> tuple[DiffID, ...]:
        return self.chain[len(self.chain) - depth :]

    def _file(self, chain: Sequence[DiffID], path: bytes) -> FoundFile | None:
        found = cachedb.lookup(self._ctx.db.read(), chain, path) if chain else None
        if found is None or found[1].kind not in FILES:
            return None
        return FoundFile(path, found[0], found[1].size, found[1].digest)

    def _first(self, path: bytes, having: Sequence[DiffID]) -> FoundFile | None:
        """What is at `path`, as of the lowest layer from which on it has been there with this content."""
        chain = self.chain
        found = self._file(chain, path)
        while found is not None and len(having) > 1:
            chain = chain[chain.index(found.diff_id) + 1 :]
            below = self._file(chain, path)
            if below is None or below.digest != found.digest:
                break
            found = below
        return found
