"""Reading: the store for questions that open files; one that cannot be written will do."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from lamina.errors import Denied, NoSpace
from lamina.layers.context import Layers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.engine.opened import Opened


@contextmanager
def reading(opened: Opened) -> Iterator[Layers]:
    """The store; where it cannot be written nothing is fetched: NotFound for what is elsewhere."""
    try:
        ctx = opened.ctx
    except (Denied, NoSpace):
        from lamina.layers.planned import PlannedLayers  # for few stores

        planned = PlannedLayers.of(opened.layout)
        try:
            yield Layers(*planned)
        finally:
            planned.db.close()
        return
    yield ctx
