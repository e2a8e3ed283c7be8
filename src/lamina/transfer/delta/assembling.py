"""Assembling: the tar of a layer from its recipe, from files that are here and parts that are fetched."""

from __future__ import annotations

import hashlib
import io
from collections import deque
from contextlib import closing
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from lamina.archive.chunked.errors import Doubt
from lamina.archive.chunked.recipe import Gap
from lamina.errors import Corrupt
from lamina.layers.pack import Pieces
from lamina.transfer.delta.ranges import Range
from lamina.transfer.delta.similar import read

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from lamina.archive.chunked.recipe import Recipe
    from lamina.archive.chunked.toc import Chunk, Content
    from lamina.layers.context import Layers
    from lamina.transfer.delta.parts import Parts
    from lamina.transfer.delta.present import Place
    from lamina.transfer.delta.similar import Piece

_WHOLE = 1 << 20  # files up to so many bytes are verified before any of them is used
_PIECE = 1 << 20


class Here(NamedTuple):
    """What of a layer is in the store: contents by their digests, and chunks of others by their numbers."""

    contents: Mapping[str, Place]
    chunks: Mapping[tuple[int, int], Piece]


def needs(recipe: Recipe, here: Here) -> list[Range]:
    """What has to be fetched, by its place in the blob."""
    found = [Range(gap.start, gap.end) for gap in recipe.gaps]
    for number, content in enumerate(recipe.contents):
        if content.digest not in here.contents:
            found += [
                Range(chunk.start, chunk.end)
                for at, chunk in enumerate(content.chunks)
                if not chunk.zeros and (number, at) not in here.chunks
            ]
    return sorted(set(found))


class Assembly:
    """The tar as pieces. Doubt when a part is not what it should be; what `fetch` raises.

    `fetch(start, end)` is for what `parts` has not: a file that was here and is damaged.
    """

    def __init__(
        self,
        ctx: Layers,
        recipe: Recipe,
        here: Here,
        parts: Parts,
        fetch: Callable[[int, int], bytes],
    ) -> None:
        self._ctx = ctx
        self._recipe = recipe
        self._here = here
        self._parts = parts
        self._fetch = fetch
        self._after = b""  # what the frame of the last chunk says of the bytes that follow

    def pieces(self) -> Generator[bytes, None, None]:
        """All of the tar."""
        recipe = self._recipe
        for part in recipe.parts():
            after, self._after = self._after, b""
            if type(part) is int:
                yield from self._content(part, recipe.contents[part])
            elif type(part) is bytes:
                if after and after[: len(part)] != part:
                    raise Doubt("the headers of the layer are not those that its table of contents suggests")
                yield part
            else:
                assert isinstance(part, Gap)
                yield recipe.unpack_gap(part, self._parts.take(Range(part.start, part.end)))

    def _content(self, number: int, content: Content) -> Iterator[bytes]:
        place = self._here.contents.get(content.digest)
        if place is None:
            for at, chunk in enumerate(content.chunks):
                piece = self._here.chunks.get((number, at))
                yield from self._chunk(chunk) if piece is None else self._piece(piece, chunk)
        elif content.size > _WHOLE:
            yield from self._large(place, content)
        else:
            yield from self._small(place, content)

    def _chunk(self, chunk: Chunk) -> Iterator[bytes]:
        if chunk.zeros:
            yield from zeros(chunk.size)
            return
        found = self._recipe.unpack(chunk, self._parts.take(Range(chunk.start, chunk.end)))
        self._after = found.after
        yield found.content

    def _piece(self, piece: Piece, chunk: Chunk) -> Iterator[bytes]:
        self._after = b""
        yield read(self._ctx, piece, chunk) or self._again(chunk)

    def _again(self, chunk: Chunk) -> bytes:
        """A chunk that was here and has rotted, from the registry."""
        return self._recipe.unpack(chunk, self._fetch(chunk.start, chunk.end)).content

    def _small(self, place: Place, content: Content) -> Iterator[bytes]:
        try:
            with self._ctx.open_file(place.diff_id, place.path) as file:
                data = file.read(content.size + 1)
        except (Corrupt, OSError):
            data = b""
        if len(data) == content.size and hashlib.sha256(data).hexdigest() == content.digest:
            yield data
            return
        for chunk in content.chunks:  # it has rotted here
            yield from zeros(chunk.size) if chunk.zeros else [self._again(chunk)]

    def _large(self, place: Place, content: Content) -> Iterator[bytes]:
        digest = hashlib.sha256()
        try:
            with self._ctx.open_file(place.diff_id, place.path) as file:
                while data := file.read(_PIECE):
                    digest.update(data)
                    yield data
        except (Corrupt, OSError) as error:
            raise Doubt(f"a file that is here cannot be read: {error}") from None
        if digest.hexdigest() != content.digest:
            raise Doubt("a file that is here is not what it was")


def zeros(size: int) -> Iterator[bytes]:
    """So many zero bytes, in pieces."""
    piece = bytes(min(size, _PIECE))
    for _ in range(size // _PIECE):
        yield piece
    if size % _PIECE:
        yield bytes(size % _PIECE)


def compressed(pieces: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    """The same as zstd, quickly made, by threads."""
    from lamina.archive.chunked.compressing import Frames  # only where something is compressed

    out: deque[bytes] = deque()
    frames = Frames(1, out.append)
    with closing(pieces), closing(frames):
        block: list[bytes] = []
        size = 0
        for piece in pieces:
            block.append(piece)
            size += len(piece)
            if size >= _PIECE:
                frames.add(b"".join(block))
                frames.then(block.clear)
                block, size = [], 0
            while out:
                yield out.popleft()
        frames.add(b"".join(block))
        frames.finish()
        yield from out


def stream(pieces: Generator[bytes, None, None], check: Callable[[], object]) -> BinaryIO:
    """`pieces` as a stream; `check` is called before each of them, and may raise."""
    return cast("BinaryIO", io.BufferedReader(Pieces(_watched(pieces, check)), 1 << 18))


def _watched(
    pieces: Generator[bytes, None, None], check: Callable[[], object]
) -> Generator[bytes, None, None]:
    with closing(pieces):
        while True:
            check()
            piece = next(pieces, None)
            if piece is None:
                return
            yield piece
