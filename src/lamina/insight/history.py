"""How an image came about (`lamina history`), and which instruction made which layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import layerdb
from lamina.insight.config import config_of
from lamina.insight.images import tags_of
from lamina.oci.history import pair

if TYPE_CHECKING:
    from lamina.insight.rows import Rows
    from lamina.oci.digest import DiffID, ImageID


class HistoryItem(NamedTuple):
    """One entry; `image_id` is `<missing>` for all but the newest: the others were never images."""

    image_id: str
    created: str
    created_by: str
    size: int  # bytes in the files of its layer, 0 where it made none
    comment: str
    tags: tuple[str, ...]
    diff_id: str  # "" where it made no layer


def history(rows: Rows, image_id: ImageID) -> list[HistoryItem]:
    """The entries of an image's history, the newest first; layers that it does not name get one each."""
    config = config_of(rows, image_id)
    items = [
        HistoryItem(
            "<missing>",
            entry.created,
            entry.created_by,
            size_of(rows, diff_id),
            entry.comment,
            (),
            diff_id or "",
        )
        for entry, diff_id in pair(config.history, config.diff_ids)
    ]
    if not items:
        items = [HistoryItem("<missing>", config.created, "", 0, "", (), "")]
    items[-1] = items[-1]._replace(image_id=image_id, tags=tags_of(rows, image_id))
    return items[::-1]


def size_of(rows: Rows, diff_id: DiffID | None) -> int:
    """Bytes in the files of a layer; 0 for none."""
    diff = layerdb.get_diff(rows.connection, diff_id) if diff_id else None
    return diff.size if diff else 0
