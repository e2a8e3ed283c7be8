"""What `lamina prune` took away."""

from __future__ import annotations

from typing import NamedTuple


class Pruned(NamedTuple):
    """What is gone, and how many bytes of the disk came free."""

    containers: tuple[str, ...]
    untagged: tuple[str, ...]  # names
    deleted: tuple[str, ...]  # image IDs
    cache: int  # layers of the build cache
    bytes: int
    cache_mounts: tuple[str, ...] = ()  # their ids
