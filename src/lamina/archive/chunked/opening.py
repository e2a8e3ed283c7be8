"""opened: the recipe of a layer, read from the end of its blob, a part at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.archive.chunked import estargz, positions
from lamina.archive.chunked.errors import Doubt
from lamina.archive.chunked.positions import ESTARGZ_TOC

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.archive.chunked.recipe import Recipe

    Part = Callable[[int, int], bytes]  # the bytes of the blob from the first number to the second


def has_table(notes: Mapping[str, str]) -> bool:
    """Whether the annotations of a layer say that it has a table of contents."""
    return ESTARGZ_TOC in notes or any(
        key.endswith("zstd-chunked.manifest-position") and key.startswith("io.") for key in notes
    )


def table_size(notes: Mapping[str, str], size: int) -> int:
    """How many bytes of a blob of `size` bytes its tables are, as far as that is known. Doubt."""
    found = positions.parse(notes, size)
    return found.end - found.toc.start if found else 0


def opened(notes: Mapping[str, str], size: int, part: Part) -> Recipe:
    """The recipe of a layer whose descriptor has these annotations and this size.

    Doubt for what does not fit together; and what `part` raises.
    """
    found = positions.parse(notes, size)
    if found is None:
        return _stargz(notes, size, part)
    from lamina.archive.chunked.recipe import ZstdRecipe  # only one of the two is wanted

    return ZstdRecipe(found, _sure(part, found.toc.start, found.end))


def _stargz(notes: Mapping[str, str], size: int, part: Part) -> Recipe:
    checksum = notes.get(ESTARGZ_TOC, "")
    if not checksum or size <= estargz.FOOTER_SIZE:
        raise Doubt("the layer has no table of contents")
    end = size - estargz.FOOTER_SIZE
    offset = estargz.toc_offset(_sure(part, end, size), size)
    if end - offset > positions.MAX_TABLE:
        raise Doubt(f"a table of contents of more than {positions.MAX_TABLE} bytes is not read")
    return estargz.StargzRecipe(checksum, offset, _sure(part, offset, end))


def _sure(part: Part, start: int, end: int) -> bytes:
    data = part(start, end)
    if len(data) != end - start:
        raise Doubt("a part of the layer came shorter, or longer, than was asked for")
    return data
