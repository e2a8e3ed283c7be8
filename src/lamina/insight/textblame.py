"""Which layer each line of a text file is of (`lamina blame --lines`), as git blame has it for commits."""

from __future__ import annotations

import os
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput, NotFound
from lamina.fs.failures import shown
from lamina.fs.reading import head
from lamina.insight.blame import locate
from lamina.layers.difffiles import open_in_diff
from lamina.tree.entry import FILES, Entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.insight.stack import Stack
    from lamina.layers.context import Layers

MOST = 8 << 20  # bytes of a file


class BlamedLine(NamedTuple):
    """One line, and the layer that wrote it so."""

    number: int  # in the file, from 1
    text: str  # by os.fsdecode, without its line feed
    layer: int  # from 1, the bottom
    created_by: str
    dockerfile: str  # where the layer's instruction stands, where that is known
    line: int
    base: str  # the base image that brought the layer


def blame_lines(ctx: Layers, image: Stack, path: str) -> list[BlamedLine]:
    """The lines of the file at `path`, links followed; layers that are elsewhere are fetched.

    A line is of the lowest layer from which on it has been in the file. NotFound; InvalidInput for what is no
    text file, or has more than MOST bytes.
    """
    real, found = locate(ctx.db.read(), image, os.fsencode(path).strip(b"/"), last=True)
    now = found.now.entry if found is not None and found.now is not None else None
    if found is None or now is None:
        raise NotFound(f"{image.name} has no {shown('/' + path.strip('/'))}")
    if now.kind not in FILES:
        raise InvalidInput(f"{shown(b'/' + real)} is not a file")
    lines: list[bytes] = []
    layers: list[int] = []
    before: Entry | None = None
    for number, entry in found.versions:
        if entry is None or entry.kind not in FILES:
            lines, layers, before = [], [], None
            continue
        if before is None or not before.digest or before.digest != entry.digest:
            changed = _lines(ctx, image, number, entry)
            layers = _carried(lines, changed, layers, number)
            lines, before = changed, entry
    return [_blamed(image, *each) for each in zip(range(1, len(lines) + 1), lines, layers, strict=True)]


def _lines(ctx: Layers, image: Stack, layer: int, entry: Entry) -> list[bytes]:
    """The lines of one version. InvalidInput when it is no text, or too long."""
    if entry.size > MOST:
        size = f"{entry.size} bytes in layer {layer + 1}, the limit is {MOST}"
        raise InvalidInput(f"{shown(b'/' + entry.path)} is too long: {size}")
    with open_in_diff(ctx, image.diff_ids[layer], entry.path) as file:
        data = head(file, MOST)
    if b"\0" in data:
        raise InvalidInput(
            f"{shown(b'/' + entry.path)} is not text", hint="without --lines its layers are listed"
        )
    return data.removesuffix(b"\n").split(b"\n") if data else []


def _carried(old: Sequence[bytes], new: Sequence[bytes], layers: Sequence[int], layer: int) -> list[int]:
    """The layer of each line of `new`: that of the line of `old` that it was, else `layer`."""
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    found = [layer] * len(new)
    found[:start] = layers[:start]
    if end:
        found[-end:] = layers[-end:]
    middle, changed = old[start : len(old) - end], new[start : len(new) - end]
    for one, other, count in SequenceMatcher(None, middle, changed).get_matching_blocks():
        found[start + other : start + other + count] = layers[start + one : start + one + count]
    return found


def _common(one: Sequence[bytes], other: Sequence[bytes]) -> int:
    """How many lines two lists begin with alike."""
    most = min(len(one), len(other))
    return next((number for number in range(most) if one[number] != other[number]), most)


def _blamed(image: Stack, number: int, text: bytes, layer: int) -> BlamedLine:
    of = image.layers[layer]
    dockerfile = of.origin.dockerfile if of.origin else ""
    return BlamedLine(number, os.fsdecode(text), of.number, of.created_by, dockerfile, of.line, of.base)
