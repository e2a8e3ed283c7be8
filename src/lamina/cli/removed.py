"""The lines `Untagged: app:latest` and `Deleted: sha256:…`."""

from __future__ import annotations


def removed_line(gone: object) -> str:
    """One thing that rmi or prune took away."""
    name = getattr(gone, "name", None)
    return f"Deleted: {getattr(gone, 'id', '')}" if name is None else f"Untagged: {name}"
