"""Archives without the layers that their reader has already: what index.json says of these (`save --since`).

The manifests and configs of such an archive are those of a whole one; an annotation of index.json names the
layers that are left out, and the image that brings them. Other tools pass over the annotation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, cast

from lamina.archive.files import read_small
from lamina.errors import InvalidInput
from lamina.oci import canonical
from lamina.oci import digest as digests
from lamina.oci import manifest as manifests
from lamina.oci.digest import DiffID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lamina.archive.files import Files

NOTE = "vnd.lamina.since"  # annotation of index.json: a JSON list
_INDEX = "index.json"
_LONGEST = 300  # characters of an image's name
_ID = re.compile(r"sha256:[0-9a-f]{64}")


class Since(NamedTuple):
    """An image that the reader has, and those of its layers that an archive leaves out."""

    image: str  # as messages name it
    image_id: str
    layers: tuple[DiffID, ...]


def notes(since: Iterable[Since]) -> dict[str, str]:
    """The annotations of index.json that say so; none where nothing is left out."""
    rows = [{"image": each.image, "id": each.image_id, "layers": list(each.layers)} for each in since]
    return {NOTE: canonical.dumps(rows).decode()} if rows else {}


def left_out(files: Files) -> Mapping[DiffID, str]:
    """The layers that an archive leaves out, each with the name of the image that has it. InvalidInput."""
    if not files.has(_INDEX):
        return {}
    text = manifests.parse_index(read_small(files, _INDEX)).annotations.get(NOTE)
    if text is None:
        return {}
    try:
        rows = cast("list[dict[str, object]]", canonical.loads(text.encode(), NOTE))
        return dict(pair for row in rows for pair in _layers(row))
    except (AttributeError, KeyError, TypeError) as error:
        raise InvalidInput(f"archive: {NOTE} in {_INDEX} cannot be read: {error}") from None


def _layers(row: dict[str, object]) -> list[tuple[DiffID, str]]:
    name, image_id = row["image"], row["id"]
    if not isinstance(name, str) or not isinstance(image_id, str) or not _ID.fullmatch(image_id):
        raise TypeError("an image without a name or an ID")
    shown = name[:_LONGEST] if name == image_id else f"{name[:_LONGEST]} ({digests.short(image_id)})"
    return [(DiffID(digests.parse(each)), shown) for each in cast("list[str]", row["layers"])]
