"""Doubt: a table of contents, or what it speaks about, is not as it should be."""

from __future__ import annotations

from lamina.errors import InvalidInput


class Doubt(InvalidInput):
    """What a layer's table of contents says cannot be relied on: the layer is to be fetched as a whole."""
