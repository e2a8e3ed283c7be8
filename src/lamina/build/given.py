"""What the caller of a build gives it beside files: secrets, SSH agents, limits, shared caches.

A file of its own: most builds are given none of these, and do not load it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lamina.oci.digest import Digest


class Secret(NamedTuple):
    """What --secret gives: the content of a file, read when it is needed, or `value` (of a variable)."""

    id: str
    path: str = ""
    value: bytes | None = None


class SshForward(NamedTuple):
    """What --ssh gives: one agent's socket, or files with keys."""

    id: str
    paths: tuple[str, ...]


class Ulimit(NamedTuple):
    """What --ulimit says: a limit's name as Docker knows it (nofile, core, ...); -1 is no limit."""

    name: str
    soft: int
    hard: int


class CacheFrom(NamedTuple):
    """A shared cache to read. `type` is registry (`place` is a reference) or local (a folder, with a tag)."""

    type: str
    place: str
    tag: str = "latest"
    digest: Digest | None = None  # of another cache in the folder

    @property
    def shown(self) -> str:
        """What messages call it."""
        return self.place


class CacheTo(NamedTuple):
    """A shared cache to add to. `type` is registry, local (as above), or inline: into the image itself.

    `mode` says whose layers are kept beside the records: min those of the image, max all. `compression` is
    that of layers, as transfer.packing has it. With `ignore_error` an export that fails fails no build.
    """

    type: str
    place: str = ""
    mode: str = "min"
    compression: str = ""
    level: int | None = None
    force: bool = False
    ignore_error: bool = False
    tag: str = "latest"
    digest: Digest | None = None  # none: for who reads and writes alike

    @property
    def shown(self) -> str:
        """What messages call it."""
        return self.place or self.type
