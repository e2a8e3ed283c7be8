"""Where the lines of an image's history stand, and whose they are: by builds of it and of its bases.

Unlike a build's steps (db.origins) this is kept as long as the image is, and knows lines without a layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db.origins import lines_of
from lamina.errors import LaminaError
from lamina.insight.config import config_of
from lamina.oci.digest import ImageID

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.insight.baseimage import BaseImage
    from lamina.insight.rows import Rows
    from lamina.oci.config import History

_MOST_BASES = 20  # that are looked at


class LinePlace(NamedTuple):
    """Of one line; "" and 0 for what is not known."""

    dockerfile: str = ""
    line: int = 0  # from 1
    base: str = ""  # the base image that has the line, too


def line_places(
    rows: Rows, image_id: ImageID, history: Sequence[History], bases: Iterable[BaseImage], *, recorded: bool
) -> list[LinePlace]:
    """The place of each line of a history. With `recorded` only bases that were built here are looked at."""
    found = [LinePlace()] * len(history)
    held = [base for base in bases if base.layers][:_MOST_BASES]
    for base in reversed(held):
        dockerfile, lines = lines_of(rows.connection, ImageID(base.digest))
        if recorded and not lines:
            continue
        try:
            below = config_of(rows, ImageID(base.digest)).history
        except LaminaError:  # an image that is not here, or damaged, says nothing
            continue
        if below == history[: len(below)]:
            _fill(found, len(below), dockerfile, lines, base.name)
    _fill(found, len(history), *lines_of(rows.connection, image_id), "")
    return found


def _fill(found: list[LinePlace], end: int, dockerfile: str, lines: Sequence[int], base: str) -> None:
    """Notes what is known of the first `end` lines, which are all that one image has."""
    start = end - len(lines)
    for number in range(end):
        place = found[number]
        at = lines[number - start] if number >= start >= 0 else 0
        if at:
            place = place._replace(dockerfile=dockerfile, line=at)
        found[number] = place if place.base else place._replace(base=base)
