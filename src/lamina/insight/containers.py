"""Which containers there are (`lamina ps`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb

if TYPE_CHECKING:
    from lamina.db.containerdb import Container
    from lamina.insight.rows import Rows


class ContainerSummary(NamedTuple):
    """One container; times are RFC 3339 and "" where they have not come; `size` is None when not asked."""

    container_id: str
    name: str
    image: str  # as it was written
    image_id: str
    command: str
    state: str  # created, running or exited
    exit_code: int
    created: str
    started: str
    finished: str
    image_size: int  # bytes in the files of its image
    size: int | None = None  # bytes in its writable layer


def summary(rows: Rows, row: Container, size: int | None = None) -> ContainerSummary:
    """One row, with the bytes in its writable layer where they were asked for."""
    image = imagedb.get_image(rows.connection, row.image_id)
    return ContainerSummary(
        row.id,
        row.name,
        row.image_name,
        row.image_id,
        row.command,
        row.state,
        row.exit_code or 0,
        row.created,
        row.started,
        row.finished,
        image.size if image else 0,
        size,
    )
