"""listing: the containers as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.containers import remove, state
from lamina.containers.settings import parse
from lamina.db import containerdb

if TYPE_CHECKING:
    from lamina.containers.context import Containers
    from lamina.db.containerdb import Container


class Listed(NamedTuple):
    """A container, and the bytes in its writable layer where they were asked for."""

    row: Container
    size: int | None


def listing(ctx: Containers, *, all: bool = False, size: bool = False) -> list[Listed]:
    """Running containers, or all, the newest first.

    One whose process died with the Lamina that ran it is shown as exited, or removed if it was to be.
    """
    rows = []
    for found in containerdb.containers(ctx.layers.db.read()):
        row = state.settled(ctx, found)
        if row is not found and parse(row.config_json).remove:
            remove.remove(ctx, row.id)
        elif all or row.state == containerdb.RUNNING:
            rows.append(Listed(row, remove.size_of(ctx, row) if size else None))
    return rows
