"""RUN --mount as text: its options, comma-separated as in a row of CSV."""

from __future__ import annotations


def from_of(mount: str) -> str:
    """The value of from= in a --mount; "" without one."""
    for field in mount.split(","):
        name, _, value = field.partition("=")
        if name.strip().lower() == "from":
            return value
    return ""
