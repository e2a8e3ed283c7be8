"""Texts that come from anybody, made fit for a terminal. What questions load: it imports nothing."""

from __future__ import annotations


def escaped(text: str) -> str:
    """Text on one line, with what is not printable as escapes: it may come from anybody."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "replace").decode() for char in text
    )
