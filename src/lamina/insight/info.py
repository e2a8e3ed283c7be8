"""What there is to say about a store and the machine it is on (`lamina info`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import containerdb, imagedb, layerdb

if TYPE_CHECKING:
    from lamina.insight.rows import Rows


class Counts(NamedTuple):
    """How many of each there are in the store."""

    images: int
    containers: int
    running: int
    layers: int


class Info(NamedTuple):
    """The store and the machine; the Engine fills in what only the machine knows."""

    version: str
    root: str
    snapshotter: str
    rootless: bool
    ids: str  # how users inside map to users outside, in words
    counts: Counts
    kernel: str
    operating_system: str
    architecture: str
    cpus: int
    memory: int  # bytes
    filesystem: str  # kind of the file system that the root is on
    untraced: str = ""  # why what RUN steps read cannot be recorded; "" when it is


class MountSummary(NamedTuple):
    """One thing that `lamina mount` mounted."""

    name: str
    path: str


def counts(rows: Rows) -> Counts:
    """Counts the rows."""
    containers = containerdb.containers(rows.connection)
    return Counts(
        images=len(imagedb.images(rows.connection)),
        containers=len(containers),
        running=sum(container.state == containerdb.RUNNING for container in containers),
        layers=len(layerdb.diffs(rows.connection)),
    )
