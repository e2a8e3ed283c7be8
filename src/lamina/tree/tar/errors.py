"""TarError: what is wrong with an archive."""

from __future__ import annotations

from lamina.errors import InvalidInput


class TarError(InvalidInput):
    """An archive that is broken, cut short, hostile, or in a form that is not supported."""


def shown(name: bytes) -> str:
    """A name from an archive as it can stand in a one-line message."""
    text = name[:300].decode("utf-8", "backslashreplace")
    return "".join([char if char.isprintable() else f"\\x{ord(char):02x}" for char in text])
