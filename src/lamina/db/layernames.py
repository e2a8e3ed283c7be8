"""From what a user types to the layer that is meant: `IMAGE#N`, `IMAGE#DIGEST`, or a diff ID alone.

N counts from 1, the bottom, as `lamina layers` does; -1 is the top. DIGEST is a diff ID or the beginning of
one, at least 4 digits. A range is `A..B`, both included; either end may be left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from lamina.db.imagedb import diff_ids_of
from lamina.db.names import resolve_image
from lamina.errors import Conflict, InvalidInput, NotFound
from lamina.oci.digest import DiffID

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from lamina.db.names import Named

_DIGEST = re.compile(r"(sha256:)?([0-9a-f]{4,64})\Z")
_HINT = "`lamina layers IMAGE` numbers them from 1, the bottom"
_NUMBER = re.compile(r"-?[0-9]{1,6}\Z")


class NamedLayer(NamedTuple):
    """A layer; `image` is None where it was named by its diff ID alone."""

    diff_id: DiffID
    image: Named | None
    number: int  # in the image, from 1, the bottom; 0 without one


def number_of(diff_ids: Sequence[DiffID], text: str) -> int:
    """The layer of a stack (bottom first) that `text` means: from 1. NotFound, Conflict, InvalidInput."""
    if _NUMBER.match(text):
        number = int(text)
        if number < 0:
            number += len(diff_ids) + 1
        if not 1 <= number <= len(diff_ids):
            raise NotFound(f"no layer {text}: the image has {len(diff_ids)} layers", hint=_HINT)
        return number
    match = _DIGEST.match(text)
    if match is None:
        raise InvalidInput(f"invalid layer: {text!r}", hint=_HINT)
    begin = "sha256:" + match[2]
    fits = [number for number, diff_id in enumerate(diff_ids, 1) if diff_id.startswith(begin)]
    if not fits:
        raise NotFound(f"no layer of the image has a diff ID that begins with {match[2]}", hint=_HINT)
    if len(fits) > 1:
        raise Conflict(f"layer {text} is ambiguous: it may be {_listed(fits)}", hint="name it by its number")
    return fits[0]


def range_of(diff_ids: Sequence[DiffID], text: str) -> tuple[int, int]:
    """The first and the last layer of `A..B`, of one layer `A`. Errors as of number_of."""
    first, dots, last = text.partition("..")
    low = number_of(diff_ids, first) if first else 1
    high = (number_of(diff_ids, last) if last else len(diff_ids)) if dots else low
    if low > high:
        hint = f"the lower layer comes first: {last}..{first}"
        raise InvalidInput(f"invalid range of layers: {text}", hint=hint)
    return low, high


def _listed(numbers: Sequence[int]) -> str:
    return " or ".join(map(str, numbers))


def split_name(text: str) -> tuple[str, str]:
    """`IMAGE#LAYER` as its two parts; the second is "" where there is no `#`."""
    image, _, layer = text.rpartition("#") if "#" in text else (text, "", "")
    return image, layer


def resolve_layer(c: sqlite3.Connection, text: str) -> NamedLayer:
    """The layer that `text` means. NotFound, Conflict, InvalidInput."""
    image, layer = split_name(text)
    if layer:
        found = resolve_image(c, image)
        diff_ids = diff_ids_of(c, found.image_id)
        number = number_of(diff_ids, layer)
        return NamedLayer(diff_ids[number - 1], found, number)
    match = _DIGEST.match(text)
    if match is None:
        raise InvalidInput(
            f"invalid layer: {text!r}", hint="IMAGE#N, or a diff ID; see `lamina layers IMAGE`"
        )
    begin = "sha256:" + match[2]
    fits = c.execute(
        "SELECT diff_id FROM diffs WHERE diff_id >= ? AND diff_id < ? LIMIT 2", (begin, begin + "g")
    ).fetchall()
    if not fits:
        raise NotFound(f"No such layer: {text}", hint="`lamina layers IMAGE` lists those of an image")
    if len(fits) > 1:
        raise Conflict(f"layer {text} is ambiguous: several begin so", hint="give more digits")
    return NamedLayer(DiffID(fits[0][0]), None, 0)
