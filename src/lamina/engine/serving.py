"""serve: the store as a registry, with the collector that frees what clients deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.engine.opened import Opened
    from lamina.events import Observer
    from lamina.serving.settings import ServeSettings


def serve(opened: Opened, settings: ServeSettings, observer: Observer, until: int | None) -> None:
    """Serves until the descriptor `until` can be read."""
    from lamina.gc.collect import collect
    from lamina.gc.context import Context
    from lamina.serving.serve import serve

    ctx = opened.ctx
    serve(ctx, settings, observer, until, lambda: collect(Context(*ctx)))
