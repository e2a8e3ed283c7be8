"""Helpers for layers with a table of contents: written, put together again, and their tables forged."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import zstandard

from lamina.archive.chunked import positions
from lamina.archive.chunked.opening import opened
from lamina.archive.chunked.positions import FRAME_HEAD, Position, Positions
from lamina.archive.chunked.recipe import Gap, Recipe
from lamina.archive.chunked.writer import ChunkedWriter


class Layer(NamedTuple):
    """A blob and the annotations of its descriptor."""

    blob: bytes
    notes: Mapping[str, str]

    @property
    def positions(self) -> Positions:
        found = positions.parse(self.notes, len(self.blob))
        assert found is not None
        return found

    @property
    def toc(self) -> dict[str, Any]:
        """The table of contents of a zstd:chunked layer."""
        place = self.positions.toc
        found: dict[str, Any] = json.loads(unzstd(self.blob[place.start : place.end]))
        return found

    def recipe(self) -> Recipe:
        return opened(self.notes, len(self.blob), lambda start, end: self.blob[start:end])


def written(tar: bytes, cut: int = 1 << 20, level: int | None = None) -> Layer:
    """A tar as zstd:chunked, given to the writer in pieces of `cut` bytes."""
    out: list[bytes] = []
    with ChunkedWriter(out.append, level) as writer:
        for at in range(0, len(tar), cut):
            writer.write(tar[at : at + cut])
        writer.finish()
    return Layer(b"".join(out), writer.annotations)


def rebuilt(layer: Layer) -> bytes:
    """The tar, from the tables and single parts of the blob; headers that were guessed are compared."""
    recipe, out, after = layer.recipe(), io.BytesIO(), b""
    for part in recipe.parts():
        if isinstance(part, int):
            for chunk in recipe.contents[part].chunks:
                if chunk.zeros:
                    out.write(bytes(chunk.size))
                else:
                    found = recipe.unpack(chunk, layer.blob[chunk.start : chunk.end])
                    out.write(found.content)
                    after = found.after
        elif isinstance(part, Gap):
            out.write(recipe.unpack_gap(part, layer.blob[part.start : part.end]))
            after = b""
        else:
            assert after[: len(part)] in (b"", part)
            out.write(part)
            after = b""
    return out.getvalue()


def unzstd(data: bytes) -> bytes:
    """What any zstd makes of it."""
    with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as stream:
        return stream.read()


def forged(
    layer: Layer, change: Callable[[dict[str, Any]], object], split: Callable[[bytes], bytes] | None = None
) -> Layer:
    """The layer with another table of contents, and tar-split if given: all digests and places fit."""
    toc, place, old = layer.toc, layer.positions.toc, layer.positions.tar_split
    assert old is not None
    lines = unzstd(layer.blob[old.start : old.end])
    lines = split(lines) if split else lines
    packed_lines = zstandard.compress(lines)
    toc["tarSplitDigest"] = "sha256:" + hashlib.sha256(packed_lines).hexdigest()
    toc = change(toc) or toc  # type: ignore[assignment]
    text = toc if isinstance(toc, bytes) else json.dumps(toc).encode()
    packed = zstandard.compress(text)
    found = Positions(
        "sha256:" + hashlib.sha256(packed).hexdigest(),
        Position(place.start, len(packed), len(text)),
        Position(place.start + len(packed) + FRAME_HEAD, len(packed_lines), len(lines)),
    )
    blob = layer.blob[: place.start - FRAME_HEAD] + positions.skippable(packed)
    blob += positions.skippable(packed_lines) + positions.footer(found)
    return Layer(blob, positions.notes_of(found))
