"""How an image came about (`lamina history`): each line of its history, with the layer that it made."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.insight.counts import Counts, counts
from lamina.insight.historylines import LinePlace, line_places
from lamina.insight.images import tags_of
from lamina.insight.stack import stack
from lamina.oci.history import pair

if TYPE_CHECKING:
    from lamina.insight.rows import Rows
    from lamina.insight.stack import Stack
    from lamina.oci.config import History
    from lamina.oci.digest import ImageID


class HistoryItem(NamedTuple):
    """One entry; `image_id` is `<missing>` for all but the newest: the others were never images."""

    image_id: str
    created: str
    created_by: str
    size: int  # bytes in the files of its layer, 0 where it made none
    comment: str
    tags: tuple[str, ...]
    diff_id: str  # "" where it made no layer
    layer: int = 0  # its number, from 1, the bottom; 0 where it made none
    instruction: str = ""  # as it is written, where that is known; else created_by, else "(comment)"
    dockerfile: str = ""  # where that line stands, if a build of it, or of its base, is recorded
    line: int = 0  # from 1; 0 where it is not known
    base: str = ""  # the base image that brought it; "" for what is the image's own
    added: int = 0  # paths
    changed: int = 0
    deleted: int = 0


def history(rows: Rows, image_id: ImageID, *, counted: bool = True) -> list[HistoryItem]:
    """The entries of an image's history, the newest first; layers that it does not name get one each.

    Without `counted` no paths are counted.
    """
    found = stack(rows, image_id)
    done = counts(rows.connection, found.diff_ids) if counted else [Counts()] * len(found.layers)
    lines = line_places(rows, image_id, found.config.history, found.bases, recorded=False)
    items: list[HistoryItem] = []
    layer = 0
    for number, (entry, diff_id) in enumerate(pair(found.config.history, found.diff_ids)):
        place = lines[number] if number < len(lines) else LinePlace()
        if diff_id is not None:
            layer += 1
        items.append(_item(found, entry, layer if diff_id else 0, place, done))
    if not items:
        items = [HistoryItem("<missing>", found.config.created, "", 0, "", (), "")]
    items[-1] = items[-1]._replace(image_id=image_id, tags=tags_of(rows, image_id))
    return items[::-1]


def _item(found: Stack, entry: History, number: int, place: LinePlace, done: list[Counts]) -> HistoryItem:
    """One entry; `number` is that of its layer, 0 for none."""
    comment = f"({entry.comment})" if entry.comment else ""
    item = HistoryItem(
        "<missing>", entry.created, entry.created_by, 0, entry.comment, (), "", 0,
        " ".join((entry.created_by or comment).split()), place.dockerfile, place.line, place.base,
    )  # fmt: skip
    if not number:
        return item
    layer = found.layers[number - 1]
    added, changed, deleted = done[number - 1]
    item = item._replace(
        size=layer.size,
        diff_id=layer.diff_id,
        layer=number,
        instruction=layer.created_by,
        base=layer.base,
        added=added,
        changed=changed,
        deleted=deleted,
    )
    return item._replace(dockerfile=layer.origin.dockerfile, line=layer.line) if layer.origin else item
