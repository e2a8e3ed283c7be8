"""Site: what all handlers of requests work with."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.layers.context import Layers
    from lamina.serving.shelf import Shelf
    from lamina.serving.taking import Taker
    from lamina.serving.uploads import Uploads


class Site(NamedTuple):
    """One store that is served."""

    ctx: Layers
    shelf: Shelf
    uploads: Uploads
    taker: Taker
    deleted: Callable[[], object]  # is called after something was removed: its bytes may go
