"""What every function of this room works on: one store, opened by one process that holds one lease."""

from __future__ import annotations

from lamina.layers.context import Layers

Context = Layers  # the store as gc sees it
