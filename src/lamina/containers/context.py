"""What every function of this room works on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.layers.context import Layers
    from lamina.sandbox.protocol import Runtime
    from lamina.snapshot.protocol import Snapshotter


class Containers(NamedTuple):
    """One store, and what mounts and runs in it, made when it is first needed."""

    layers: Layers
    snapshotter: Callable[[], Snapshotter]  # for new containers; an old one keeps its own
    runtime: Callable[[], Runtime]
